"""What Redis keeps is bounded by age and number; unconfirmed events are never forgotten."""

import pytest
from bridgecore.storage import retention

from tests.integration.batching import latest


def hold(parts, ids):
    """Handle and confirm events, each of a record of its own."""
    parts.push(*(parts.event(n, record_id=n) for n in ids))
    parts.deliver()


def kept(parts, kind):
    start = parts.key(f"{kind}:")
    return {
        int(str(key).removeprefix(start).split("@")[0])
        for key in parts.storage.redis.scan_iter(f"{start}*", count=1000)
    }


def age(parts, name, members=None):
    """Make entries of a sorted set a year older."""
    for member, at in parts.storage.redis.zrange(parts.key(name), 0, -1, withscores=True):
        if members is None or int(member.split("@")[0].split(":")[-1]) in members:
            parts.storage.redis.zadd(parts.key(name), {member: at - 365 * 86400 * 1e6})


def test_nothing_goes_while_it_is_young_and_few(parts):
    hold(parts, range(1, 6))
    assert parts.storage.retention.forget(parts.source) == 0
    assert kept(parts, "event") == kept(parts, "body") == set(range(1, 6))


def test_contents_are_bounded_by_number(make_parts):
    parts = make_parts(max_stored_events=3)
    hold(parts, range(1, 11))
    parts.storage.retention.forget(parts.source)
    assert kept(parts, "body") == {8, 9, 10}
    assert kept(parts, "event") == set(range(1, 11))  # known as duplicates
    assert parts.push(parts.event(1)).duplicates == 1


def test_contents_and_memories_are_bounded_by_age(parts):
    hold(parts, range(1, 6))
    age(parts, "kept", {1, 2})
    assert parts.storage.retention.forget(parts.source) == 4  # two contents, two memories
    assert kept(parts, "body") == kept(parts, "event") == {3, 4, 5}
    assert set(parts.states()) == {3, 4, 5}
    assert parts.push(parts.event(1, record_id=1)).accepted == 1


def test_memories_are_bounded_by_number_but_young_ones_are_spared(make_parts):
    parts = make_parts(max_remembered_events=3, max_stored_events=1)
    hold(parts, range(1, 11))
    parts.storage.retention.forget(parts.source)
    assert kept(parts, "event") == set(range(1, 11))

    at = parts.storage.now() - (retention.SPARED + 60) * 1_000_000
    for member in parts.storage.redis.zrange(parts.key("remembered"), 0, 4):
        parts.storage.redis.zadd(parts.key("remembered"), {member: at})
    parts.storage.retention.forget(parts.source)
    assert len(kept(parts, "event")) == 5


def test_queued_unconfirmed_and_dead_events_are_never_forgotten(make_parts):
    parts = make_parts(max_stored_events=1, max_remembered_events=1, max_attempts=1)

    @parts.registry.on()
    def fail(event):
        if event.event_id == 1:
            raise LookupError

    hold(parts, [1, 2])
    parts.push(parts.event(3, record_id=3))
    parts.runner.run(parts.source, ["res.partner:3"])  # done, not confirmed
    parts.push(parts.event(4, record_id=4))  # queued
    for name in ("kept", "dead", "events"):
        age(parts, name)
    parts.storage.retention.forget(parts.source)
    assert kept(parts, "event") == kept(parts, "body") == {1, 3, 4}
    parts.deliver()
    assert parts.odoo.processed == [2, 3, 4]


def test_a_duplicate_makes_the_memory_young_again(parts):
    """The event is confirmed again, and its age counts from then."""
    hold(parts, [1])
    age(parts, "kept")
    parts.push(parts.event(1))
    parts.deliver()
    assert parts.storage.retention.forget(parts.source) == 0
    assert kept(parts, "event") == {1}


def test_an_event_that_is_forgotten_before_its_duplicate_is_confirmed_leaves_nothing_behind(parts):
    """Otherwise the event would count as confirmed, and be forgotten, when it comes once more."""
    hold(parts, [1])
    parts.push(parts.event(1))
    age(parts, "kept")
    parts.storage.retention.forget(parts.source)
    parts.deliver()
    assert kept(parts, "event") == set()
    for name in ("reports", "kept", "remembered"):
        assert parts.storage.redis.zcard(parts.key(name)) == 0


def test_an_event_without_content_is_still_shown_as_confirmed(make_parts):
    parts = make_parts(max_stored_events=1)
    hold(parts, [1])
    hold(parts, [2])
    place = [(parts.source, parts.event(1).key)]
    (before,) = parts.storage.history.known(place)
    parts.storage.retention.forget(parts.source)
    (known,) = parts.storage.history.known(place)
    assert known.empty
    assert known.fields["state"] == before.fields["state"] == "confirmed"
    assert known.fields["confirmed_at"] == before.fields["confirmed_at"]


def test_more_than_one_call_can_forget_goes_too(make_parts, monkeypatch):
    monkeypatch.setattr(retention, "_AT_ONCE", 10)
    parts = make_parts(max_stored_events=1)
    hold(parts, range(1, 101))
    parts.storage.retention.forget(parts.source)
    assert kept(parts, "body") == {100}


def test_records_are_bounded_by_number_and_age(make_parts):
    parts = make_parts(max_records=4)
    hold(parts, range(1, 7))
    parts.storage.retention.forget(parts.source)
    assert {n for n in range(1, 7) if latest(parts, n)} == {3, 4, 5, 6}
    age(parts, "records", {3})
    parts.storage.retention.forget(parts.source)
    assert latest(parts, 3) is None


@pytest.mark.parametrize("bound", ["number", "age"])
def test_dead_letters_are_bounded(make_parts, bound):
    parts = make_parts(max_attempts=1, max_dead_letters=2 if bound == "number" else 100)

    @parts.registry.on()
    def fail(event):
        raise LookupError

    hold(parts, range(1, 6))
    if bound == "age":
        age(parts, "dead", {1, 2, 3})
    surplus = parts.storage.dead_letters.surplus(parts.source)
    assert len(parts.storage.dead_letters.discard(parts.source, surplus)) == 3
    assert [key.split("@")[0] for key in parts.storage.dead_letters.keys(parts.source)] == [
        "4",
        "5",
    ]


def test_the_live_stream_is_bounded(make_parts):
    parts = make_parts(max_streamed_events=100)
    hold(parts, range(1, 501))
    assert parts.storage.redis.xlen(parts.key("stream")) <= 200  # Redis drops whole blocks


def test_an_event_may_be_forgotten_only_when_it_is_confirmed(parts):
    parts.push(parts.event(1))
    parts.runner.run(*parts.messages.sent.popleft()[1])
    assert parts.storage.redis.zcard(parts.key("kept")) == 0
    parts.deliver()
    assert parts.storage.redis.zscore(parts.key("kept"), parts.event(1).key)
