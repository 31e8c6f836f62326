"""In which order events were handled."""

from collections.abc import Iterable


def event_id_of(idempotency_key: str) -> int:
    """Return the event's id, which stands in its key between the source and the timestamp."""
    return int(idempotency_key.split("/")[1].split("@")[0])


def in_order(event_ids: Iterable[int], records: int) -> bool:
    """Return whether the events of each record were handled in the order of their ids.

    Event n belongs to record n modulo `records`. Of an event that was handled several times the
    first time counts.
    """
    once = list(dict.fromkeys(event_ids))
    by_record = [[n for n in once if n % records == record] for record in range(records)]
    return all(numbers == sorted(numbers) for numbers in by_record)
