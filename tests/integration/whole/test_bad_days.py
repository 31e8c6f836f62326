"""Wrong clocks, odd times, equal ids and sources that go: what docs/deployment.md says of them."""

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from bridgecore.accepting.authentication import Authenticator
from bridgecore.config.databases import Source
from bridgecore.errors import NotAuthenticated
from bridgecore.watching.metrics import exposition
from standardwebhooks import Webhook

from tests.integration.parts import Parts

SECRET = "whsec_" + base64.b64encode(b"not a secret: for tests only").decode()


def signed(body: str, seconds_off: int) -> dict[str, str]:
    moment = datetime.fromtimestamp(int(time.time()) + seconds_off, UTC)
    signature = Webhook(SECRET).sign("id", moment, body)
    return {
        "webhook-id": "id",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
    }


@pytest.mark.parametrize("seconds_off", [-600, 600])
def test_clocks_that_are_ten_minutes_apart(parts, seconds_off):
    """The push is refused with a reason that says it, and the pull brings the event."""
    source = Source.model_validate({**parts.odoo.setting(), "signing_secrets": [SECRET]})
    body = json.dumps(parts.wire(1))
    with pytest.raises(NotAuthenticated) as refused:
        Authenticator([source]).source_of(signed(body, seconds_off), body.encode())
    place = "past" if seconds_off < 0 else "future"
    assert "check the clocks" in refused.value.reason
    assert f"s in the {place}" in refused.value.reason

    parts.odoo.events = [parts.wire(1)]
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert parts.odoo.processed == [1]


@pytest.mark.parametrize("year", ["0001", "1960", "2099", "9999"])
def test_events_of_odd_times_are_handled_like_others(parts, year):
    odd = parts.event(1, timestamp=f"{year}-01-31T12:00:00.000000Z")
    parts.push(odd, parts.event(2))
    parts.deliver()
    assert parts.effects == [odd.idempotency_key, parts.event(2).idempotency_key]
    assert parts.odoo.processed == [1, 2]
    for line in exposition(parts).decode().splitlines():
        if not line.startswith("#") and "oldest" in line:
            assert float(line.rpartition(" ")[2]) >= 0


class TwoSources(Parts):
    """A receiver with a second source."""

    def __init__(self, redis_url, odoo, other, *, knows_other=True):
        super().__init__(redis_url, odoo)
        self.other = odoo.feed(other)
        if knows_other:
            self.settings.sources.append(Source(**self.other.setting()))
        self.settings.__dict__.pop("sources_by_id", None)
        self.record_effects()
        self.read_feed()
        feeds = self.storage.feeds
        feeds.note_page(feeds.begin_pull(other), 0, is_end=True)


def push_to_other(parts, event_id):
    from bridgecore.events import parse_event
    from bridgecore.storage.inbox import Submission

    event = parse_event(parts.wire(event_id), parts.other.source)
    (receipt,) = parts.acceptance.accept([Submission(parts.other.source, [event], "push")])
    return receipt


def test_two_sources_with_the_same_ids_are_independent(redis_url, odoo, request):
    parts = TwoSources(redis_url, odoo, f"other-{request.node.name}")
    request.addfinalizer(parts.storage.close)
    parts.push(parts.event(1))
    assert push_to_other(parts, 1).accepted == 1
    parts.deliver()
    assert len(set(parts.effects)) == 2
    assert parts.odoo.processed == parts.other.processed == [1]


def test_events_of_a_source_that_was_taken_out_of_the_settings(redis_url, odoo, request):
    """They are handled, and confirmed when the source is back."""
    before = TwoSources(redis_url, odoo, f"other-{request.node.name}")
    request.addfinalizer(before.storage.close)
    push_to_other(before, 1)

    without = TwoSources(redis_url, odoo, before.other.source, knows_other=False)
    request.addfinalizer(without.storage.close)
    without.messages.sent.extend(before.messages.sent)
    without.deliver()
    assert len(without.effects) == 1
    assert without.other.processed == []

    again = TwoSources(redis_url, odoo, before.other.source)
    request.addfinalizer(again.storage.close)
    again.confirming.confirm(again.other.source)
    assert again.other.processed == [1]
    assert again.effects == []
