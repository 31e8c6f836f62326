"""Once, in order, and nothing lost: the way of an event through the pipeline."""

import pytest
from bridgecore.errors import QueueFull, QueueUnavailable
from bridgecore.storage.inbox import Submission


def test_an_event_is_handled_once_and_confirmed(parts):
    event = parts.event(1)

    receipt = parts.push(event)
    assert (receipt.accepted, receipt.duplicates) == (1, 0)
    assert parts.states() == {1: "queued"}
    parts.deliver()

    assert parts.effects == [event.idempotency_key]
    assert parts.states() == {1: "confirmed"}
    assert parts.odoo.processed == [1]
    assert not parts.messages.sent


def test_a_repeat_within_a_submission_is_a_duplicate(parts):
    receipt = parts.push(parts.event(1), parts.event(1))
    parts.deliver()
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert len(parts.effects) == 1


def test_the_timestamp_tells_events_of_a_restored_database_apart(parts):
    parts.push(parts.event(1), parts.event(1, timestamp="2026-02-01T00:00:00.000001Z"))
    parts.deliver()
    assert len(parts.effects) == 2


def test_a_repeat_of_a_queued_event_wakes_it(parts):
    parts.push(parts.event(1))
    parts.messages.sent.clear()  # its message was lost

    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert len(parts.effects) == 1


def test_a_repeat_of_a_done_event_acknowledges_it_again(parts):
    parts.push(parts.event(1))
    parts.runner.run(*parts.messages.sent.popleft()[1])
    parts.messages.sent.clear()  # the acknowledgement was lost
    assert parts.states() == {1: "done"}

    parts.push(parts.event(1))
    assert parts.messages.kinds == []  # it still stands on the list, and somebody is telling it
    parts.confirming.confirm(parts.source)
    assert parts.odoo.processed == [1]
    assert len(parts.effects) == 1


def test_a_repeat_of_a_confirmed_event_acknowledges_it_again(parts):
    """Whoever repeats it does not know: an acknowledgement or a whole database was lost."""
    parts.push(parts.event(1))
    parts.deliver()

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.odoo.processed == [1, 1]
    assert parts.states() == {1: "confirmed"}
    assert len(parts.effects) == 1


def test_if_messages_cannot_be_sent_the_sender_is_told_and_its_repeat_wakes_the_event(parts):
    parts.messages.away = True
    with pytest.raises(QueueUnavailable) as refused:
        parts.push(parts.event(1))
    assert refused.value.retry_after

    parts.messages.away = False
    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert len(parts.effects) == 1


def test_a_full_queue_refuses_new_events_wholly_and_repeats_not_at_all(make_parts):
    parts = make_parts(max_queue_depth=2)
    parts.push(parts.event(1), parts.event(2))

    with pytest.raises(QueueFull) as refused:
        parts.push(parts.event(1), parts.event(3))
    assert refused.value.retry_after
    assert parts.states() == {1: "queued", 2: "queued"}
    assert parts.push(parts.event(1)).duplicates == 1

    parts.deliver()
    assert parts.push(parts.event(1), parts.event(3)).accepted == 1


def test_submissions_that_share_a_round_trip_have_answers_of_their_own(make_parts):
    parts = make_parts(max_queue_depth=1)
    first, second = (Submission(parts.source, [parts.event(n)], "push") for n in (1, 2))
    accepted, refused = parts.acceptance.accept([first, second])
    assert accepted.accepted == 1
    assert isinstance(refused, QueueFull)


def test_events_of_a_record_are_handled_in_order_of_arrival(parts):
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(1, 31)))
    parts.messages.sent.reverse()
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(31, 61)))
    parts.deliver()

    handled = [int(key.split("/")[1].split("@")[0]) for key in parts.effects]
    for record in range(3):
        assert [n for n in handled if n % 3 == record] == [
            n for n in range(1, 61) if n % 3 == record
        ]


def test_an_event_that_arrives_while_its_record_is_worked_on_is_handled_too(parts):
    @parts.registry.on()
    def arrive(event):
        if event.event_id < 5:
            parts.push(parts.event(event.event_id + 1))

    parts.push(parts.event(1))
    parts.runner.run(*parts.messages.sent.popleft()[1])
    assert len(parts.effects) == 5
    assert parts.storage.redis.exists(parts.key("lease:res.partner:1")) == 0


def test_an_event_may_be_forgotten_only_when_it_is_confirmed(parts):
    parts.push(parts.event(1))
    parts.runner.run(*parts.messages.sent.popleft()[1])
    assert parts.storage.redis.zcard(parts.key("kept")) == 0
    parts.deliver()
    assert parts.storage.redis.zscore(parts.key("kept"), parts.event(1).key)


def test_the_sync_state_of_a_model_tells_the_newest_event(parts):
    parts.push(parts.event(2, record_id=1), parts.event(1, record_id=2))
    parts.deliver()
    state = parts.storage.redis.hgetall(parts.key("sync:res.partner"))
    assert state["last_event_id"] == "2"
    assert state["last_timestamp"] == parts.event(2).timestamp
    assert state["events"] == "2"


def test_a_payload_with_very_many_fields(parts):
    parts.push(parts.event(1, payload={f"field_{n}": n for n in range(20_000)}))
    parts.deliver()
    assert parts.states() == {1: "confirmed"}


def test_the_list_of_events_is_bounded(make_parts):
    parts = make_parts(max_stored_events=3)
    parts.push(*(parts.event(n) for n in range(1, 6)))
    assert list(parts.states()) == [5, 4, 3]
