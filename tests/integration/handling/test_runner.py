"""Events are taken and settled together, but each is handled, and fails, on its own."""

import os
import signal
import threading
from itertools import chain

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from tests.integration.batching import batches_of, in_a_child, latest, memory, records
from tests.integration.parts import Parts
from tests.support import eventually

ERASED = {"_metadata": {"erased": True}}


@pytest.fixture
def parts(make_parts):
    """All that waits is taken at once."""
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


def test_what_kills_its_worker_takes_no_attempts_from_its_neighbours(make_parts):
    """At the third record the process dies, each time; the others have one attempt each."""
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

    def all_ended():
        parts.runner.run(parts.source, everything)
        return parts.storage.redis.zcard(parts.key("queued")) == 0

    eventually(all_ended)
    assert sorted(map(int, parts.storage.redis.lrange(effects, 0, -1))) == [1, 2, 4, 5, 6]
    assert parts.states()[3] == "dead"
    assert "death of its worker" in memory(parts, 3, 3)["error"]


def test_what_was_tried_before_is_taken_alone(parts, monkeypatch):
    """It may have killed its worker, and would hold up those that were taken with it."""
    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=(n + 1) // 2) for n in range(1, 9)))
    for number in (4, 5):
        key = parts.key(f"event:{parts.event(number, (number + 1) // 2).key}")
        parts.storage.redis.hset(key, "attempts", 1)
    parts.deliver()
    assert sorted(chain(*seen)) == list(range(1, 9))
    assert [4] in seen
    assert [5] in seen


def test_what_was_handled_before_is_not(parts, monkeypatch):
    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 5)))
    for number in (2, 3):
        key = parts.key(f"event:{parts.event(number, number).key}")
        parts.storage.redis.hset(key, mapping={"attempts": 1, "handled_at": 1})
    parts.deliver()
    assert seen == [[1, 2, 3, 4]]
    assert len(parts.effects) == 2


def test_a_handled_event_whose_batch_was_not_settled_is_ended_without_its_handlers(make_parts):
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

    taken = eventually(
        lambda: parts.storage.batches.claim(parts.source, records(1), 10).batch.events
    )
    parts.storage.leases.release(taken[0].lease)
    parts.runner.run(parts.source, records(1))
    assert parts.storage.redis.lrange(effects, 0, -1) == ["1", "2"]
    assert parts.states()[1] == "done"
    assert memory(parts, 1)["handled_at"] == fields["handled_at"]


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


def test_nobody_answers_a_mark(parts):
    """With an answer unread the kernel would drop what is under way when the process is killed."""
    parts.push(parts.event(1))
    (claimed,) = parts.storage.batches.claim(parts.source, records(1), 1).batch.events
    with parts.storage.progress.open() as notes:
        notes.add_handled(claimed, 1)
        notes.send()
        eventually(lambda: "handled_at" in memory(parts, 1))
        assert not notes._connection.can_read(timeout=0.05)


def test_ends_are_kept_while_redis_is_away(parts, monkeypatch):
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


def test_what_would_take_long_is_shared(parts, monkeypatch):
    """With one event per batch and a slow handler, half of what waits goes to others each time."""
    monkeypatch.setattr("bridgecore.handling.pace.MAX_EVENTS", 1)
    monkeypatch.setattr("bridgecore.handling.pace.LONG", 0)
    parts.runner.pace.limit = 1
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 9)))
    parts.messages.sent.clear()
    parts.runner.run(parts.source, records(*range(1, 9)))
    shared = [content[1] for kind, content in parts.messages.sent if kind == "handle"]
    assert shared == [records(6, 7, 8), records(5)]
    assert len(parts.effects) == 4
    parts.deliver()
    assert set(parts.states().values()) == {"confirmed"}


def test_if_nobody_can_be_asked_to_share_it_is_done_alone(parts, monkeypatch):
    monkeypatch.setattr("bridgecore.handling.pace.MAX_EVENTS", 1)
    monkeypatch.setattr("bridgecore.handling.pace.LONG", 0)
    parts.runner.pace.limit = 1
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 9)))
    parts.messages.away = True
    parts.runner.run(parts.source, records(*range(1, 9)))
    assert len(parts.effects) == 8


def test_a_redis_that_is_full_still_lets_a_batch_end(parts):
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


def test_what_erases_is_alone_so_that_no_older_values_come_back(parts, monkeypatch):
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


def test_what_was_given_up_and_is_not_known_any_more_is_not_told_for_ever(parts):
    parts.storage.redis.zadd(parts.key("reports"), {"7@never": 1})
    parts.confirming.confirm(parts.source)
    assert parts.odoo.failed == {7: ""}
    assert parts.storage.redis.zcard(parts.key("reports")) == 0


def test_ends_are_kept_while_redis_takes_no_writes(parts):
    """As it does while too few replicas are there."""
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


def test_the_models_of_a_batch_have_sync_states_with_the_newest_event(parts):
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    parts.deliver()
    assert parts.storage.redis.smembers(parts.key("models")) == {"res.partner"}
    state = parts.storage.redis.hgetall(parts.key("sync:res.partner"))
    assert (state["last_event_id"], state["events"]) == ("3", "3")


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


def test_a_batch_of_large_events_is_small(parts):
    parts.push(*(parts.event(n, record_id=n, payload={"text": 300_000 * "x"}) for n in range(1, 9)))
    batch = parts.storage.batches.claim(parts.source, records(*range(1, 9)), 100).batch
    assert batch.records == records(1, 2, 3, 4)  # one megabyte, and what it results with
