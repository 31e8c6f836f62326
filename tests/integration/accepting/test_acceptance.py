"""An event is accepted once; a duplicate of it wakes it, or has its result confirmed again."""

import pytest
from bridgecore.errors import QueueFull, QueueUnavailable
from bridgecore.storage.inbox import Submission


def test_an_event_that_is_twice_in_a_submission_is_a_duplicate(parts):
    receipt = parts.push(parts.event(1), parts.event(1))
    parts.deliver()
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert len(parts.effects) == 1


def test_the_timestamp_tells_events_of_a_restored_database_apart(parts):
    parts.push(parts.event(1), parts.event(1, timestamp="2026-02-01T00:00:00.000001Z"))
    parts.deliver()
    assert len(parts.effects) == 2


def test_a_duplicate_of_a_queued_event_wakes_it(parts):
    parts.push(parts.event(1))
    parts.messages.sent.clear()  # its message was lost

    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert len(parts.effects) == 1


def test_a_duplicate_of_a_done_event_does_not_report_it_twice(parts):
    parts.push(parts.event(1))
    parts.runner.run(*parts.messages.sent.popleft()[1])
    parts.messages.sent.clear()  # the message to confirm was lost
    assert parts.states() == {1: "done"}

    parts.push(parts.event(1))
    assert parts.messages.kinds == []  # its report is still on the list
    parts.confirming.confirm(parts.source)
    assert parts.odoo.processed == [1]
    assert len(parts.effects) == 1


def test_a_duplicate_of_a_confirmed_event_confirms_it_again(parts):
    """Its sender does not know: the confirmation or the sender's whole database was lost."""
    parts.push(parts.event(1))
    parts.deliver()

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.odoo.processed == [1, 1]
    assert parts.states() == {1: "confirmed"}
    assert len(parts.effects) == 1


def test_a_duplicate_of_a_dead_event_reports_it_again(make_parts, broken):
    parts = make_parts(max_attempts=1)
    parts.registry.on()(broken)
    parts.push(parts.event(1))
    parts.deliver()
    assert len(broken.events) == 1
    parts.odoo.failed.clear()

    parts.push(parts.event(1))
    parts.deliver()
    assert len(broken.events) == 1
    assert list(parts.odoo.failed) == [1]
    assert parts.states() == {1: "dead"}


def test_if_messages_cannot_be_sent_the_sender_gets_an_error_and_its_duplicate_wakes_the_event(
    parts,
):
    parts.messages.away = True
    with pytest.raises(QueueUnavailable) as refused:
        parts.push(parts.event(1))
    assert refused.value.retry_after

    parts.messages.away = False
    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert len(parts.effects) == 1


def test_a_full_queue_refuses_a_submission_with_a_new_event_but_no_duplicates(make_parts):
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


def test_the_list_of_events_is_bounded(make_parts):
    parts = make_parts(max_stored_events=3)
    parts.push(*(parts.event(n) for n in range(1, 6)))
    assert list(parts.states()) == [5, 4, 3]
