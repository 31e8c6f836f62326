"""Odoo gets the results of its events."""

import pytest
from bridgecore.errors import FeedUnavailable
from bridgecore.odoo import confirming
from bridgecore.storage.reports import LEASE

from tests.integration.batching import claim, settle
from tests.integration.fake_odoo import answer, hang_up


def handle(parts, *event_ids):
    """Push and handle events, without confirming them."""
    parts.push(*(parts.event(n) for n in event_ids))
    parts.runner.run(parts.source, ["res.partner:1"])
    parts.messages.sent.clear()


def test_reports_that_wait_together_are_confirmed_in_one_call(parts):
    handle(parts, *range(1, 101))
    parts.confirming.confirm(parts.source)
    (call,) = parts.odoo.called("mark-processed")
    assert call["event_ids"] == list(range(1, 101))
    assert call["timestamps"] == [parts.wire(event_id)["timestamp"] for event_id in range(1, 101)]
    assert call["failed"] == []


def test_long_lists_are_confirmed_in_order_and_in_parts(parts, monkeypatch):
    monkeypatch.setattr(confirming, "BATCH", 7)
    handle(parts, *range(1, 21))
    parts.confirming.confirm(parts.source)
    assert parts.odoo.processed == list(range(1, 21))
    assert [len(c["event_ids"]) for c in parts.odoo.called("mark-processed")] == [7, 7, 6]


def test_a_duplicate_does_not_lose_its_place(parts):
    handle(parts, 1, 2)
    parts.push(parts.event(1))
    parts.confirming.confirm(parts.source)
    assert parts.odoo.processed == [1, 2]


def test_what_is_handled_meanwhile_is_confirmed_by_the_same_task(parts):
    handle(parts, 1)
    parts.odoo.misbehave.append(
        lambda handler: (handle(parts, 2), answer(200, '{"success": true}')(handler))
    )
    parts.confirming.confirm(parts.source)
    assert [c["event_ids"] for c in parts.odoo.called("mark-processed")] == [[1], [2]]
    assert parts.states() == {1: "confirmed", 2: "confirmed"}


@pytest.mark.parametrize("trouble", [answer(500), answer(503), hang_up], ids=["500", "503", "gone"])
def test_if_odoo_does_not_answer_the_event_is_confirmed_later(parts, trouble):
    handle(parts, 1)
    parts.odoo.misbehave.append(trouble)
    with pytest.raises(FeedUnavailable):
        parts.confirming.confirm(parts.source)
    assert parts.states() == {1: "done"}

    parts.confirming.confirm(parts.source)
    assert parts.states() == {1: "confirmed"}


def test_only_one_task_confirms_at_a_time(parts):
    handle(parts, 1)
    lease = parts.storage.leases.acquire(parts.source, confirming.LEASE)
    parts.confirming.confirm(parts.source)
    assert parts.odoo.calls == []

    parts.storage.leases.release(lease)
    parts.confirming.confirm(parts.source)
    assert parts.odoo.processed == [1]


def test_events_that_odoo_does_not_know_any_more_are_reported_once(parts):
    handle(parts, 1)
    parts.odoo.misbehave.append(answer(200, '{"success": true, "unknown": [1]}'))
    parts.confirming.confirm(parts.source)
    parts.confirming.confirm(parts.source)
    assert len(parts.odoo.called("mark-processed")) == 1


def test_confirming_has_a_turn_and_leaves_the_rest_to_another_message(parts, monkeypatch):
    """One process confirms for all sources, and reads their feeds."""
    monkeypatch.setattr(confirming, "TURN", 0)
    monkeypatch.setattr(confirming, "BATCH", 1)
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    while parts.messages.sent[0][0] == "handle":
        parts.runner.run(*parts.messages.sent.popleft()[1])
    parts.messages.sent.clear()
    parts.confirming.confirm(parts.source)
    assert parts.messages.kinds == ["confirm"]
    assert len(parts.odoo.processed) == 1
    parts.deliver()
    assert sorted(parts.odoo.processed) == [1, 2, 3]
    assert set(parts.states().values()) == {"confirmed"}


def give_up(parts):
    """Give an event up; return its report, which waits, and the lease to confirm it."""
    parts.push(parts.event(1))
    settle(parts, claim(parts), "dead")
    return parts.storage.reports.first(parts.source, 10), parts.storage.leases.acquire(
        parts.source, LEASE
    )


def test_a_dead_letter_that_is_discarded_while_it_is_confirmed_stays_discarded(parts):
    reports, lease = give_up(parts)
    parts.storage.dead_letters.discard(parts.source, [parts.event(1).key])
    assert parts.storage.reports.confirm(lease, reports) == 0
    assert parts.states() == {1: "discarded"}
    assert parts.storage.redis.zscore(parts.key("kept"), parts.event(1).key)


def test_an_event_that_is_replayed_while_it_is_confirmed_is_reported_again(parts):
    reports, lease = give_up(parts)
    parts.storage.dead_letters.replay(parts.source, [parts.event(1).key])
    settle(parts, claim(parts))
    assert parts.storage.reports.confirm(lease, reports) == 1
    assert parts.states() == {1: "done"}


def test_a_report_of_an_event_that_redis_has_forgotten_is_sent_once(parts):
    parts.storage.redis.zadd(parts.key("reports"), {"7@never": 1})
    parts.confirming.confirm(parts.source)
    assert parts.odoo.failed == {7: ""}
    assert parts.storage.redis.zcard(parts.key("reports")) == 0
