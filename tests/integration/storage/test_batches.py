"""A batch is claimed and settled once, also if an answer is lost or a result comes late."""

import pytest
from bridgecore.storage.claimed_events import Result

from tests.integration.batching import claim, memory, records, settle
from tests.support import eventually


def test_an_event_that_kills_its_workers_is_given_up_and_holds_up_no_other(make_parts):
    parts = make_parts(max_attempts=2)
    parts.record_effects()
    parts.push(parts.event(1), parts.event(2))
    for _attempt in range(2):
        died = claim(parts)
        parts.storage.leases.release(died.events[0].lease)  # as when its time is over

    parts.deliver()
    assert parts.effects == [parts.event(2).idempotency_key]
    assert parts.odoo.processed == [2]
    assert "death of its worker" in parts.odoo.failed[1]


def test_settling_a_batch_again_does_not_settle_the_next_event(parts):
    """Redis' answer to the first call may have been lost."""
    parts.push(parts.event(1), parts.event(2))
    batch = claim(parts)
    for _call in range(2):
        following = settle(parts, batch, next_records=["res.partner:1"], limit=1).next_claim.batch
        assert [claimed.event.event_id for claimed in following.events] == [2]
    assert parts.states() == {1: "done", 2: "queued"}


def test_a_worker_that_asks_again_gets_the_batch_whose_answer_was_lost(parts):
    parts.push(parts.event(1), parts.event(2, record_id=2))
    batches = parts.storage.batches
    batch = batches.claim(parts.source, records(1), 1).batch
    for _call in range(2):
        following = batches.settle(batch, [], records(2), 1).next_claim.batch
        assert [claimed.event.event_id for claimed in following.events] == [2]
        assert [claimed.attempt for claimed in following.events] == [1]
        assert memory(parts, 2, 2)["attempts"] == "1"


def test_a_failure_that_comes_late_does_not_queue_its_event_again(make_parts):
    """The lease ends while the handler runs, and another worker handles the event meanwhile."""
    parts = make_parts(lease=0.2)
    parts.record_effects()
    parts.push(parts.event(1))
    late = parts.storage.batches.claim(parts.source, records(1), 1).batch
    eventually(lambda: parts.runner.run(parts.source, records(1)) or parts.effects)
    parts.deliver()

    failed = Result(late.events[0], "failed", late.now, error="too late")
    for _call in range(2):
        parts.storage.batches.settle(late, [failed])
        assert parts.states() == {1: "confirmed"}
    assert parts.storage.redis.zcard(parts.key("reports")) == 0


def test_a_record_that_is_given_back_with_events_is_not_stalled(parts):
    parts.push(parts.event(1), parts.event(2))
    parts.storage.redis.zadd(parts.key("due"), {"res.partner:1": 1})  # since long ago
    settle(parts, claim(parts))
    assert parts.storage.batches.stalled(parts.source, 10) == []


def test_a_record_of_which_no_event_was_claimed_gets_no_lease(parts):
    parts.push(parts.event(1), parts.event(2, record_id=2))
    key = parts.key(f"event:{parts.event(2, 2).key}")
    parts.storage.redis.hset(key, "attempts", 1)  # so that it is claimed alone
    batch = parts.storage.batches.claim(parts.source, records(1, 2), 10).batch
    assert batch.records == records(1)
    assert not parts.storage.redis.exists(parts.key("lease:res.partner:2"))


def test_a_late_result_removes_its_event_from_anywhere_in_the_inbox(parts):
    """The first event could not be given up, because the lease had ended; the second is done."""
    parts.push(*(parts.event(number) for number in (1, 2, 3)))
    batch = claim(parts, 2)
    parts.storage.redis.delete(parts.key("lease:res.partner:1"))
    results = [
        Result(batch.events[0], "dead", batch.now),
        Result(batch.events[1], "done", batch.now),
    ]
    assert parts.storage.batches.settle(batch, results).still_due == ["res.partner:1"]
    inbox = parts.storage.redis.lrange(parts.key("inbox:res.partner:1"), 0, -1)
    assert inbox == [parts.event(1).key, parts.event(3).key]
    assert parts.states() == {1: "queued", 2: "done", 3: "queued"}


def test_a_full_redis_accepts_a_late_result(parts):
    """The first write of the script must be one that needs no memory."""
    parts.push(parts.event(1))
    batch = claim(parts)
    parts.storage.redis.delete(parts.key("lease:res.partner:1"))
    parts.storage.redis.config_set("maxmemory", 1)
    try:
        settle(parts, batch)
    finally:
        parts.storage.redis.config_set("maxmemory", 0)
    assert parts.states() == {1: "done"}


def test_a_batch_of_large_events_is_small(parts):
    parts.push(*(parts.event(n, record_id=n, payload={"text": 300_000 * "x"}) for n in range(1, 9)))
    batch = parts.storage.batches.claim(parts.source, records(*range(1, 9)), 100).batch
    assert batch.records == records(1, 2, 3, 4)  # one megabyte, and the event that exceeds it


@pytest.mark.parametrize("limit", [1, 100], ids=["several batches", "one batch"])
def test_the_sync_state_of_a_model_has_its_newest_event(parts, limit):
    parts.runner.pace.limit = limit
    parts.push(*(parts.event(n, record_id=n) for n in (2, 3, 1)))
    parts.deliver()
    assert parts.storage.redis.smembers(parts.key("models")) == {"res.partner"}
    state = parts.storage.redis.hgetall(parts.key("sync:res.partner"))
    assert (state["last_event_id"], state["events"]) == ("3", "3")
    assert state["last_timestamp"] == parts.event(3).timestamp
