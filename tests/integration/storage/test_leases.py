"""A record has one worker at a time; a worker that has lost its lease changes nothing."""

from tests.integration.batching import claim, settle
from tests.support import eventually


def test_a_record_that_a_worker_has_leased_is_left_to_it(parts):
    parts.push(parts.event(1))
    batch = claim(parts)
    parts.deliver()
    assert parts.effects == []
    settle(parts, batch)
    assert parts.states() == {1: "done"}


def test_only_the_owner_settles_extends_or_releases(parts):
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


def test_the_record_of_a_worker_that_died_is_taken_over(make_parts):
    parts = make_parts(lease=0.2)
    parts.record_effects()
    parts.push(parts.event(1))
    parts.messages.sent.clear()
    dead = claim(parts)  # and its lease is not extended

    assert parts.storage.batches.stalled(parts.source, 10) == []
    assert eventually(lambda: parts.storage.batches.stalled(parts.source, 10)) == ["res.partner:1"]
    assert parts.storage.batches.stalled(parts.source, 10) == []  # once per period
    eventually(lambda: parts.runner.run(parts.source, ["res.partner:1"]) or parts.effects)
    assert len(parts.effects) == 1
    report, reports = (
        settle(parts, dead).starts_reports,
        parts.storage.redis.zcard(parts.key("reports")),
    )
    assert (report, reports) == (False, 1)  # it comes too late, and does nothing


def test_a_record_that_another_worker_claimed_meanwhile_is_left_to_it(make_parts):
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


def test_a_lease_that_ended_does_not_matter_if_no_other_worker_has_the_record(parts):
    @parts.registry.on()
    def lose(event):
        parts.storage.redis.delete(parts.key(f"lease:{event.record}"))

    parts.push(parts.event(1))
    parts.deliver()
    assert len(parts.effects) == 1
    assert parts.states() == {1: "confirmed"}
