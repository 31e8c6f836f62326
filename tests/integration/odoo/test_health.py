"""An Odoo that does not answer is left alone for a while, longer each time."""

import pytest
from bridgecore import tasks

from tests.integration.fake_odoo import answer, hang_up


@pytest.fixture
def parts(make_parts, monkeypatch):
    parts = make_parts(pull_interval=20, feed_backoff_max=60)
    monkeypatch.setattr(tasks, "runtime", lambda: parts)
    return parts


def fail(parts, times):
    """Call Odoo so often while it is away; return the pauses that began, in seconds."""
    pauses = []
    for _ in range(times):
        parts.odoo.misbehave.append(hang_up)
        tasks.sync_odoo_webhook_events(parts.source, force=True)
        until = parts.storage.feeds.health(parts.source).away_until
        pauses.append((until - parts.storage.now()) / 1e6)
    return pauses


def test_the_pauses_grow_up_to_a_limit(parts):
    pauses = fail(parts, 5)
    for pause, expected in zip(pauses, [10, 20, 40, 60, 60], strict=True):
        assert pause == pytest.approx(expected, rel=0.25)


def test_meanwhile_odoo_is_not_called(parts):
    fail(parts, 1)
    parts.push(parts.event(1))
    parts.runner.run(parts.source, ["res.partner:1"])
    called = len(parts.odoo.calls)
    tasks.sync_odoo_webhook_events(parts.source)
    tasks.acknowledge_odoo_webhook_events(parts.source)
    assert len(parts.odoo.calls) == called


def test_one_answer_ends_it(parts):
    fail(parts, 3)
    tasks.sync_odoo_webhook_events(parts.source, force=True)
    health = parts.storage.feeds.health(parts.source)
    assert (health.failures, health.away_until, health.error) == (0, 0, "")


def test_a_refused_key_counts_too_and_is_shown_without_the_key(parts, admin):
    parts.odoo.misbehave.append(answer(401))
    tasks.sync_odoo_webhook_events(parts.source)
    (state,) = admin.get("/api/v1/sync-states").json()["sources"]
    assert "refused the feed key" in state["feed_error"]
    assert "feed-key" not in state["feed_error"]


def test_only_one_odoo_is_left_alone(parts):
    fail(parts, 1)
    assert not parts.odoo_health.is_away("another")
