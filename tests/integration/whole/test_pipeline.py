"""Once, in order, and nothing lost: the way of an event through the pipeline."""

from tests.integration.order import event_id_of, in_order


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


def test_events_of_a_record_are_handled_in_order_of_arrival(parts):
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(1, 31)))
    parts.messages.sent.reverse()
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(31, 61)))
    parts.deliver()

    handled = [event_id_of(key) for key in parts.effects]
    assert sorted(handled) == list(range(1, 61))
    assert in_order(handled, records=3)


def test_a_payload_with_very_many_fields(parts):
    parts.push(parts.event(1, payload={f"field_{n}": n for n in range(20_000)}))
    parts.deliver()
    assert parts.states() == {1: "confirmed"}
