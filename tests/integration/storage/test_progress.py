"""A worker notes in Redis what it does with the events in hand, and waits for no answer."""

import pytest
from bridgecore.storage.claimed_events import Result
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from tests.integration.batching import batches_of, memory, records
from tests.integration.parts import Parts
from tests.support import eventually


@pytest.fixture
def parts(make_parts) -> Parts:
    """All events that are due are claimed in one batch, unless something prevents it."""
    parts = make_parts()
    parts.runner.pace.limit = 100
    parts.record_effects()
    return parts


def test_a_note_that_comes_late_takes_nothing_back(parts):
    """Notes have a connection of their own, so Redis may get them after a later command."""
    parts.push(parts.event(1))
    batch = parts.storage.batches.claim(parts.source, records(1), 1).batch
    (claimed,) = batch.events
    failed = Result(claimed, "failed", batch.now, handled_by=["a", "c"], error="b")
    parts.storage.batches.settle(batch, [failed])
    with parts.storage.progress.open() as notes:
        notes.add_success(claimed, "a")
        notes.send()
        again = parts.storage.batches.claim(parts.source, records(1), 1).batch
    assert set(again.events[0].handled_by) == {"a", "c"}


def test_redis_does_not_answer_a_note(parts):
    """With an unread answer the kernel would drop notes under way when the process is killed."""
    parts.push(parts.event(1))
    (claimed,) = parts.storage.batches.claim(parts.source, records(1), 1).batch.events
    with parts.storage.progress.open() as notes:
        notes.add_handled(claimed, 1)
        notes.send()
        eventually(lambda: "handled_at" in memory(parts, 1))
        assert not notes._connection.can_read(timeout=0.05)


def test_if_notes_cannot_be_sent_a_batch_has_one_event(parts, monkeypatch):
    def away():
        raise RedisAway

    monkeypatch.setattr(parts.storage.progress._pool, "get_connection", away)
    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    parts.deliver()
    assert seen == [[1], [2], [3]]
    assert len(parts.effects) == 3


def test_without_the_right_to_switch_answers_off_a_batch_has_one_event(
    redis_url, odoo, monkeypatch
):
    limited = redis_url.replace("redis://", "redis://limited:word@")
    with Redis.from_url(redis_url) as redis:
        redis.execute_command("ACL", "SETUSER", "limited", "on", ">word", "~*", "+@all",
                              "-client|reply")  # fmt: skip
        parts = Parts(limited, odoo)
        parts.read_feed()
        parts.runner.pace.limit = 100
        parts.record_effects()
        seen = batches_of(parts, monkeypatch)
        parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
        parts.deliver()
        parts.storage.close()
        redis.execute_command("ACL", "DELUSER", "limited")
    assert seen == [[1], [2], [3]]
    assert len(parts.effects) == 3
