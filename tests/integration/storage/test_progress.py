"""Redis is told what is done with the events in hand, and answers nothing."""

from bridgecore.storage.claimed import Result
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from tests.integration.batching import batches_of, memory, records
from tests.integration.parts import Parts
from tests.support import eventually


def test_a_mark_that_comes_late_takes_nothing_back(parts):
    """The marks have a connection of their own, so their order with the rest is not given."""
    parts.push(parts.event(1))
    batch = parts.storage.batches.claim(parts.source, records(1), 1).batch
    (claimed,) = batch.events
    failed = Result(claimed, "failed", batch.now, handled_by=["a", "c"], error="b")
    parts.storage.batches.settle(batch, [failed])
    with parts.storage.progress.open() as notes:
        notes.succeeded(claimed, "a")
        notes.send()
        again = parts.storage.batches.claim(parts.source, records(1), 1).batch
    assert set(again.events[0].handled_by) == {"a", "c"}


def test_nobody_answers_a_mark(parts):
    """With an answer unread the kernel would drop what is under way when the process is killed."""
    parts.push(parts.event(1))
    (claimed,) = parts.storage.batches.claim(parts.source, records(1), 1).batch.events
    with parts.storage.progress.open() as notes:
        notes.handled(claimed, 1)
        notes.send()
        eventually(lambda: "handled_at" in memory(parts, 1))
        assert not notes._connection.can_read(timeout=0.05)


def test_without_a_way_to_tell_what_was_done_no_second_handler_is_called(parts, monkeypatch):
    def away():
        raise RedisAway

    monkeypatch.setattr(parts.storage.progress._pool, "get_connection", away)
    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    parts.deliver()
    assert seen == [[1], [2], [3]]
    assert len(parts.effects) == 3


def test_without_the_right_to_silence_redis_events_are_taken_one_at_a_time(
    redis_url, odoo, monkeypatch
):
    limited = redis_url.replace("redis://", "redis://limited:word@")
    with Redis.from_url(redis_url) as redis:
        redis.execute_command("ACL", "SETUSER", "limited", "on", ">word", "~*", "+@all",
                              "-client|reply")  # fmt: skip
        parts = Parts(limited, odoo)
        parts.runner.pace.limit = 100
        parts.record_effects()
        seen = batches_of(parts, monkeypatch)
        parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
        parts.deliver()
        redis.execute_command("ACL", "DELUSER", "limited")
    assert seen == [[1], [2], [3]]
    assert len(parts.effects) == 3
