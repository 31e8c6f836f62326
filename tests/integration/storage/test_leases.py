"""Who has a record, and what becomes of those who have lost it or come too late."""

from bridgecore.storage.claimed_events import Result

from tests.integration.batching import batches_of, claim, memory, records, settle
from tests.support import eventually


def test_a_record_that_a_worker_has_is_left_to_it(parts):
    parts.push(parts.event(1))
    batch = claim(parts)
    parts.deliver()
    assert parts.effects == []
    settle(parts, batch)
    assert parts.states() == {1: "done"}


def test_only_the_owner_ends_extends_or_releases(parts):
    parts.push(parts.event(1))
    batch = claim(parts)
    lease = batch.events[0].lease
    key = parts.key("lease:res.partner:1")
    parts.storage.redis.set(key, "another's token", px=60_000)

    assert not parts.storage.leases.extend(lease)
    assert not parts.storage.leases.release(lease)
    assert settle(parts, batch).lost == ["res.partner:1"]
    assert settle(parts, batch, "failed").lost == ["res.partner:1"]
    assert parts.storage.redis.get(key) == "another's token"
    assert parts.states() == {1: "queued"}


def test_a_lease_is_extended_as_long_as_its_handler_runs(make_parts):
    parts = make_parts(lease=0.2)
    key = parts.key("lease:res.partner:1")

    @parts.registry.on()
    def long(event):
        begun = parts.storage.redis.time()[0]
        eventually(lambda: parts.storage.redis.time()[0] > begun + 1)  # over one second
        assert parts.storage.redis.exists(key)

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.states() == {1: "confirmed"}
    assert not parts.storage.redis.exists(key)


def test_the_record_of_a_worker_that_died_is_taken_over(make_parts):
    parts = make_parts(lease=0.2)
    parts.record_effects()
    parts.push(parts.event(1))
    parts.messages.sent.clear()
    dead = claim(parts)  # and nobody extends it

    assert parts.storage.batches.stalled(parts.source, 10) == []
    assert eventually(lambda: parts.storage.batches.stalled(parts.source, 10)) == ["res.partner:1"]
    assert parts.storage.batches.stalled(parts.source, 10) == []  # once per period
    eventually(lambda: parts.runner.run(parts.source, ["res.partner:1"]) or parts.effects)
    assert len(parts.effects) == 1
    assert not settle(parts, dead).starts_reports  # it comes too late, and does nothing
    assert parts.storage.redis.zcard(parts.key("reports")) == 1


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


def test_a_repeated_end_does_not_end_the_next_event(parts):
    """The answer to the first call may have been lost."""
    parts.push(parts.event(1), parts.event(2))
    batch = claim(parts)
    for _call in range(2):
        following = settle(parts, batch, next_records=["res.partner:1"], limit=1).next_claim.batch
        assert [claimed.event.event_id for claimed in following.events] == [2]
    assert parts.states() == {1: "done", 2: "queued"}


def test_whoever_asks_again_gets_the_batch_whose_answer_was_lost(parts):
    parts.push(parts.event(1), parts.event(2, record_id=2))
    batches = parts.storage.batches
    batch = batches.claim(parts.source, records(1), 1).batch
    for _call in range(2):
        following = batches.settle(batch, [], records(2), 1).next_claim.batch
        assert [claimed.event.event_id for claimed in following.events] == [2]
        assert [claimed.attempt for claimed in following.events] == [1]
        assert memory(parts, 2, 2)["attempts"] == "1"


def test_when_much_of_the_lease_has_passed_the_rest_is_taken_anew(make_parts, monkeypatch):
    parts = make_parts(lease=0.4)
    parts.runner.pace.limit = 100
    parts.record_effects()
    begun = []

    @parts.registry.on()
    def slow(event):
        begun.append(event.event_id)
        if event.event_id == 1:
            start = parts.storage.now()
            eventually(lambda: parts.storage.now() > start + 1_000_000)  # longer than all leases

    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    parts.deliver()
    assert seen[0] == [1]
    assert begun == [1, 2, 3]
    assert set(parts.states().values()) == {"confirmed"}


def test_a_record_that_another_worker_took_meanwhile_is_left_to_it(make_parts):
    parts = make_parts()
    parts.push(parts.event(1), parts.event(2, record_id=2))

    @parts.registry.on()
    def lose(event):
        key = parts.key(f"lease:{event.record}")
        if event.event_id == 1:
            parts.storage.redis.set(key, "another's token", px=60_000)

    parts.runner.pace.limit = 100
    parts.deliver()
    assert parts.states() == {1: "queued", 2: "confirmed"}


def test_a_lease_that_ended_does_not_matter_if_nobody_has_taken_the_record(parts):
    @parts.registry.on()
    def lose(event):
        parts.storage.redis.delete(parts.key(f"lease:{event.record}"))

    parts.push(parts.event(1))
    parts.deliver()
    assert len(parts.effects) == 1
    assert parts.states() == {1: "confirmed"}


def test_a_failure_that_comes_late_reopens_nothing(make_parts):
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


def test_a_mark_that_comes_late_takes_nothing_back(parts):
    """The marks have a connection of their own, so their order with the rest is not given."""
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


def test_a_record_that_is_given_back_with_events_is_not_stalled(parts):
    parts.push(parts.event(1), parts.event(2))
    parts.storage.redis.zadd(parts.key("due"), {"res.partner:1": 1})  # since long ago
    settle(parts, claim(parts))
    assert parts.storage.batches.stalled(parts.source, 10) == []


def test_a_record_that_was_looked_at_but_not_begun_stays_free(parts):
    parts.push(parts.event(1), parts.event(2, record_id=2))
    key = parts.key(f"event:{parts.event(2, 2).key}")
    parts.storage.redis.hset(key, "attempts", 1)  # so that it is taken alone
    batch = parts.storage.batches.claim(parts.source, records(1, 2), 10).batch
    assert batch.records == records(1)
    assert not parts.storage.redis.exists(parts.key("lease:res.partner:2"))


def test_a_lease_of_which_much_has_passed_is_extended_before_the_handler_is_called(
    make_parts, monkeypatch
):
    parts = make_parts(lease=1.5)
    left = []
    key = parts.key("lease:res.partner:1")
    parts.registry.on()(lambda event: left.append(parts.storage.redis.pttl(key)))
    parts.push(parts.event(1))
    claim_at_once = parts.storage.batches.claim

    def claim_late(*arguments):
        taken = claim_at_once(*arguments)
        eventually(lambda: parts.storage.redis.pttl(key) < 700)
        return taken

    monkeypatch.setattr(parts.storage.batches, "claim", claim_late)
    parts.deliver()
    assert left[0] > 1000


def test_a_late_end_is_taken_out_of_the_inbox_wherever_it_is(parts):
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


def test_a_full_redis_takes_a_late_end(parts):
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
