"""Events are claimed and settled together, but each is handled, and fails, on its own."""

import os
import signal
import threading
from itertools import chain

import pytest
from redis.exceptions import ConnectionError as RedisAway

from tests.integration.batching import batches_of, in_a_child, latest, memory, records
from tests.support import eventually

ERASED = {"_metadata": {"erased": True}}


@pytest.fixture
def parts(make_parts):
    """All events that are due are claimed in one batch."""
    parts = make_parts(max_attempts=2)
    parts.runner.pace.limit = 100
    parts.record_effects()
    return parts


def test_all_that_is_due_is_one_batch(parts, monkeypatch):
    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(1, 10)))
    parts.deliver()
    assert [sorted(batch) for batch in seen] == [list(range(1, 10))]
    assert set(parts.states().values()) == {"confirmed"}


def test_a_failure_holds_up_its_own_record_only(make_parts, monkeypatch):
    parts = make_parts(retry_base=60)
    parts.runner.pace.limit = 100
    parts.record_effects()

    @parts.registry.on()
    def fail(event):
        if event.event_id == 2:
            raise LookupError

    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n % 2 + 1) for n in range(1, 7)))
    parts.deliver()
    assert [sorted(batch) for batch in seen] == [[1, 2, 3, 5]]
    queued = {2: "queued", 4: "queued", 6: "queued"}
    assert parts.states() == {1: "confirmed", 3: "confirmed", 5: "confirmed", **queued}
    assert memory(parts, 4).get("attempts") is None  # it was not tried


def test_an_event_that_kills_its_worker_costs_its_neighbours_no_attempts(make_parts):
    """The process dies each time it handles the third record; each event has one attempt."""
    parts = make_parts(lease=0.2, max_attempts=1)
    parts.runner.pace.limit = 100
    parts.record_effects()
    effects = parts.key("effects")

    @parts.registry.on()
    def die_or_write(event):
        if event.event_id == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        parts.storage.redis.rpush(effects, event.event_id)

    everything = records(*range(1, 7))
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 7)))
    status = in_a_child(lambda: parts.runner.run(parts.source, everything))
    assert os.WTERMSIG(status) == signal.SIGKILL

    def all_settled():
        parts.runner.run(parts.source, everything)
        return parts.storage.redis.zcard(parts.key("queued")) == 0

    eventually(all_settled)
    assert sorted(map(int, parts.storage.redis.lrange(effects, 0, -1))) == [1, 2, 4, 5, 6]
    assert parts.states()[3] == "dead"
    assert "death of its worker" in memory(parts, 3, 3)["error"]


def test_an_event_that_was_tried_before_is_claimed_alone(parts, monkeypatch):
    """The event may have killed its worker, and would hold up the events of its batch."""
    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=(n + 1) // 2) for n in range(1, 9)))
    for number in (4, 5):
        key = parts.key(f"event:{parts.event(number, (number + 1) // 2).key}")
        parts.storage.redis.hset(key, "attempts", 1)
    parts.deliver()
    assert sorted(chain(*seen)) == list(range(1, 9))
    assert [4] in seen
    assert [5] in seen


def test_events_that_were_handled_before_are_not_claimed_alone(parts, monkeypatch):
    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 5)))
    for number in (2, 3):
        key = parts.key(f"event:{parts.event(number, number).key}")
        parts.storage.redis.hset(key, mapping={"attempts": 1, "handled_at": 1})
    parts.deliver()
    assert seen == [[1, 2, 3, 4]]
    assert len(parts.effects) == 2


def test_a_handled_event_whose_batch_was_not_settled_is_settled_without_its_handlers(make_parts):
    parts = make_parts(lease=0.2)
    parts.runner.pace.limit = 100
    effects = parts.key("effects")

    @parts.registry.on()
    def write(event):
        parts.storage.redis.rpush(effects, event.event_id)
        if event.event_id == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    parts.push(parts.event(1), parts.event(2, record_id=2))
    in_a_child(lambda: parts.runner.run(parts.source, records(1, 2)))
    fields = eventually(lambda: "handled_at" in memory(parts, 1) and memory(parts, 1))
    assert fields["state"] == "queued"

    claimed = eventually(
        lambda: parts.storage.batches.claim(parts.source, records(1), 10).batch.events
    )
    parts.storage.leases.release(claimed[0].lease)
    parts.runner.run(parts.source, records(1))
    assert parts.storage.redis.lrange(effects, 0, -1) == ["1", "2"]
    assert parts.states()[1] == "done"
    assert memory(parts, 1)["handled_at"] == fields["handled_at"]


def test_results_are_kept_while_redis_is_away(parts, monkeypatch):
    settle = parts.storage.batches.settle
    answers = iter([RedisAway, RedisAway])

    def sometimes(*arguments):
        if error := next(answers, None):
            raise error
        return settle(*arguments)

    monkeypatch.setattr(parts.storage.batches, "settle", sometimes)
    parts.push(parts.event(1), parts.event(2, record_id=2))
    parts.deliver()
    assert len(parts.effects) == 2
    assert set(parts.states().values()) == {"confirmed"}


@pytest.fixture
def eight_slow(parts, monkeypatch):
    """Eight records have an event, handlers count as slow, and a batch has one event."""
    monkeypatch.setattr("bridgecore.handling.pace.MAX_EVENTS", 1)
    monkeypatch.setattr("bridgecore.handling.pace.LONG", 0)
    parts.runner.pace.limit = 1
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 9)))


def test_slow_records_are_shared_with_other_workers(parts, eight_slow):
    """Half of the records that wait go to other workers, each time."""
    parts.messages.sent.clear()
    parts.runner.run(parts.source, records(*range(1, 9)))
    shared = [content[1] for kind, content in parts.messages.sent if kind == "handle"]
    assert shared == [records(6, 7, 8), records(5)]
    assert len(parts.effects) == 4
    parts.deliver()
    assert set(parts.states().values()) == {"confirmed"}


def test_if_messages_cannot_be_sent_slow_records_are_not_shared(parts, eight_slow):
    parts.messages.away = True
    parts.runner.run(parts.source, records(*range(1, 9)))
    assert len(parts.effects) == 8


def test_a_full_redis_still_lets_a_batch_be_settled(parts):
    redis = parts.storage.redis

    @parts.registry.on()
    def fill(event):
        redis.config_set("maxmemory", 1)
        raise LookupError

    parts.push(parts.event(1), parts.event(2, record_id=2))
    try:
        parts.runner.run(parts.source, records(1, 2))
    finally:
        redis.config_set("maxmemory", 0)
    assert "LookupError" in memory(parts, 1)["error"]
    assert not redis.exists(parts.key("lease:res.partner:1"))


def test_an_event_that_erases_is_alone_in_its_batch_so_that_no_older_values_come_back(
    parts, monkeypatch
):
    seen = batches_of(parts, monkeypatch)

    @parts.registry.on()
    def change_it_although_it_must_not(event):
        event.payload.clear()

    parts.push(
        parts.event(1, payload={"name": "Ada"}),
        parts.event(2, record_id=2, payload={"name": "Grace"}),
        parts.event(3, payload=ERASED),
        parts.event(4, payload={"city": "London"}),
    )
    parts.deliver()
    assert [3] in seen
    kept = latest(parts)
    assert "name" not in kept
    assert kept["city"] == "London"  # it came after the erasure
    assert "Ada" not in str([parts.storage.redis.get(parts.key(f"body:{parts.event(1).key}"))])


def test_results_are_kept_while_redis_accepts_no_writes(parts):
    """Redis refuses writes while it has too few replicas."""
    redis = parts.storage.redis

    @parts.registry.on()
    def lose_replicas(event):
        if event.event_id == 2:
            redis.config_set("min-replicas-to-write", 1)
            timer.start()

    timer = threading.Timer(0.3, lambda: redis.config_set("min-replicas-to-write", 0))
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    parts.deliver()
    assert len(parts.effects) == 3
    assert set(parts.states().values()) == {"confirmed"}


def test_a_batch_ends_with_the_turn(parts, monkeypatch):
    monkeypatch.setattr("bridgecore.handling.runner.TURN", 0.05)

    @parts.registry.on()
    def longer_than_the_turn(event):
        start = parts.storage.now()
        eventually(lambda: parts.storage.now() > start + 60_000)

    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    parts.messages.sent.clear()
    parts.runner.run(parts.source, records(1, 2, 3))
    assert seen == [[1]]
    left = [content[1] for kind, content in parts.messages.sent if kind == "handle"]
    assert sorted(chain(*left)) == records(2, 3)
    assert parts.storage.redis.keys(parts.key("lease:*")) == []
