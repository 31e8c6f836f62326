"""What the feed is asked, and which of its answers are errors."""

import json

import pytest
from bridgecore.errors import FeedError, FeedRefused, FeedUnavailable
from bridgecore.odoo.feed import OdooFeed

from tests.integration.fake_odoo import answer, hang_up


@pytest.mark.parametrize(
    ("misbehaviour", "error", "message"),
    [
        (answer(401), FeedRefused, "in the group 'Webhook receiver'"),
        (answer(403), FeedRefused, "check feed_key"),
        (answer(404, "<html>"), FeedError, "auto_webhook_odoo is installed"),
        (answer(303, Location="/web/login"), FeedError, "answered 303"),
        (answer(200, "<html>"), FeedError, "without the JSON of a feed"),
        (answer(200, "[]"), FeedError, "without the JSON of a feed"),
        (answer(200, "{}"), FeedError, "without events or last_id"),
        (answer(200, '{"events": 1, "last_id": 1}'), FeedError, "no list"),
        (answer(200, '{"source": "other", "events": []}'), FeedError, "is database other"),
        (answer(500), FeedUnavailable, "answered 500"),
        (answer(429), FeedUnavailable, "answered 429"),
        (hang_up, FeedUnavailable, "cannot be reached"),
        (answer(200, '{"events": [{}], "last_id": 1}'), FeedError, "an event without id"),
    ],
)
def test_other_answers_say_what_to_do(parts, misbehaviour, error, message):
    parts.odoo.misbehave.append(misbehaviour)
    with pytest.raises(error) as raised:
        parts.pulling.pull(parts.source)
    assert message in str(raised.value)
    assert "feed-key" not in str(raised.value)
    assert parts.storage.feeds.cursor(parts.source) == 0


def test_the_key_is_sent_even_if_netrc_has_another(parts, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    parts.pulling.pull(parts.source)
    assert parts.odoo.headers[0]["Authorization"] == "Bearer feed-key"


def test_the_database_is_named_if_it_is_set(parts):
    source = parts.settings.sources[0].model_copy(update={"database": "production"})
    OdooFeed(source, (1, 1)).pull(0, 10, include_processed=False)
    assert parts.odoo.headers[0]["X-Odoo-Database"] == "production"


@pytest.mark.parametrize(
    ("message", "said"),
    [("Too many\ncalls.", " (Too many calls)."), ("x" * 1000, f" ({'x' * 200}).")],
    ids=["short", "long"],
)
def test_what_odoo_says_of_its_error(parts, message, said):
    body = {"success": False, "error": {"code": "busy", "message": message}}
    parts.odoo.misbehave.append(answer(429, json.dumps(body)))
    with pytest.raises(FeedUnavailable) as error:
        parts.feed(parts.source).pull(0, 1, include_processed=False)
    assert str(error.value).endswith(f"answered 429{said}")


@pytest.mark.parametrize("body", [{"error": {"message": "No."}}, {"error": "no"}, []])
def test_an_error_that_is_not_of_the_feed(parts, body):
    parts.odoo.misbehave.append(answer(429, json.dumps(body)))
    with pytest.raises(FeedUnavailable, match="answered 429, but this was not Odoo's feed"):
        parts.feed(parts.source).pull(0, 1, include_processed=False)
