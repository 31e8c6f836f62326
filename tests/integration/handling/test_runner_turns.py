"""A message has a turn of limited length, in which a worker claims batch after batch."""

from bridgecore.handling import runner
from bridgecore.queue.messages import HIGH

from tests.integration.batching import records
from tests.integration.order import event_id_of, in_order


def test_a_turn_that_is_over_leaves_the_rest_to_another_message(parts, monkeypatch):
    monkeypatch.setattr(runner, "TURN", 0)
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(1, 10)))
    messages = []
    monkeypatch.setattr(
        parts.messages, "handle", lambda source, named, queue: messages.append((named, queue))
    )
    parts.runner.run(parts.source, records(1, 2, 3), HIGH)
    assert messages == [(records(1, 2, 3), HIGH)]
    assert parts.effects == []


def test_everything_is_handled_in_order_however_short_the_turns(parts, monkeypatch):
    """The turn ends after each event."""
    turns = iter([0, 1] * 1000)
    monkeypatch.setattr(runner._Turn, "is_over", lambda turn: next(turns) == 1)
    parts.push(*(parts.event(n, record_id=n % 2 + 1) for n in range(1, 9)))
    parts.deliver()
    handled = [event_id_of(key) for key in parts.effects]
    assert sorted(handled) == list(range(1, 9))
    assert in_order(handled, records=2)
    assert set(parts.states().values()) == {"confirmed"}
    assert parts.storage.redis.keys(parts.key("lease:*")) == []


def test_one_round_trip_settles_a_batch_and_claims_the_next(parts):
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(1, 10)))
    calls = []
    settle = parts.storage.batches.settle
    claim = parts.storage.batches.claim
    parts.storage.batches.settle = lambda *a: calls.append("settle") or settle(*a)
    parts.storage.batches.claim = lambda *a: calls.append("claim") or claim(*a)
    parts.deliver()
    assert calls[0] == "claim"
    assert set(calls[1:]) == {"settle"}


def test_a_leased_record_does_not_hold_up_the_records_behind_it(parts):
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    batch = parts.storage.batches.claim(parts.source, ["res.partner:2"], 1).batch
    parts.deliver()
    assert parts.states()[1] == parts.states()[3] == "confirmed"
    assert parts.states()[2] == "queued"
    parts.storage.leases.release(batch.events[0].lease)


def test_an_event_that_arrives_while_its_record_is_handled_is_handled_too(parts):
    @parts.registry.on()
    def arrive(event):
        if event.event_id < 5:
            parts.push(parts.event(event.event_id + 1))

    parts.push(parts.event(1))
    parts.runner.run(*parts.messages.sent.popleft()[1])
    assert len(parts.effects) == 5
    assert parts.storage.redis.exists(parts.key("lease:res.partner:1")) == 0
