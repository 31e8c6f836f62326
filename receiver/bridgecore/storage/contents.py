"""Reads the contents of events, also of those whose content has gone."""

from bridgecore.events import Event, parse_body, parse_event


def content(source: str, key: str, record: str, name: str, body: str | None) -> tuple[Event, bool]:
    """The event, and whether its content could be read; else only what is known without it."""
    if body is not None:
        try:
            return parse_body(body), True
        except ValueError:
            pass
    return _nameless(source, key, record, name), False


def _nameless(source: str, key: str, record: str, name: str) -> Event:
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
