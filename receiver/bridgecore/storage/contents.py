"""Rebuilds events from Redis, also those whose content was deleted."""

from bridgecore.events import Event, parse_body, parse_event


def content(source: str, key: str, record: str, name: str, body: str | None) -> tuple[Event, bool]:
    """Return an event, and whether its content could be read.

    Without readable content, the event has only what its key, record and name tell.
    """
    if body is not None:
        try:
            return parse_body(body), True
        except ValueError:
            pass
    return _without_content(source, key, record, name), False


def _without_content(source: str, key: str, record: str, name: str) -> Event:
    event_id, _, timestamp = key.partition("@")
    model, _, record_id = record.partition(":")
    known = {
        "event_id": int(event_id),
        "model": model,
        "record_id": int(record_id),
        "event": name,
        "timestamp": timestamp,
    }
    return parse_event(known, source)
