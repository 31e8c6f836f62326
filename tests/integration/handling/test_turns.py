"""One message has a turn of limited length; what is left waits for another one."""

import pytest
from bridgecore.handling import runner
from bridgecore.queue.messages import DEFAULT, HIGH, WORKERS


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(runner, "TURN", 0)


def test_a_turn_that_is_over_leaves_the_rest_to_another_message(parts, impatient, monkeypatch):
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(1, 10)))
    messages = []
    monkeypatch.setattr(
        parts.messages, "handle", lambda source, records, queue: messages.append((records, queue))
    )
    records = [f"res.partner:{n}" for n in (1, 2, 3)]
    parts.runner.run(parts.source, records, HIGH)
    assert messages == [(records, HIGH)]
    assert parts.effects == []


def test_everything_is_handled_in_order_however_short_the_turns(parts, monkeypatch):
    """The turn ends after each event."""
    turns = iter([0, 1] * 1000)
    monkeypatch.setattr(runner._Turn, "is_over", lambda turn: next(turns) == 1)
    parts.push(*(parts.event(n, record_id=n % 2 + 1) for n in range(1, 9)))
    parts.deliver()
    handled = [int(key.split("/")[1].split("@")[0]) for key in parts.effects]
    assert sorted(handled) == list(range(1, 9))
    for remainder in (0, 1):
        mine = [n for n in handled if n % 2 == remainder]
        assert mine == sorted(mine)
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


def test_a_record_that_is_not_free_does_not_keep_from_those_behind_it(parts):
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    batch = parts.storage.batches.claim(parts.source, ["res.partner:2"], 1).batch
    parts.deliver()
    assert parts.states()[1] == parts.states()[3] == "confirmed"
    assert parts.states()[2] == "queued"
    parts.storage.leases.release(batch.events[0].lease)


def test_high_priority_has_workers_of_its_own_and_comes_first_everywhere():
    assert WORKERS["high"] == (HIGH,)
    assert WORKERS["default"].index(HIGH) < WORKERS["default"].index(DEFAULT)
