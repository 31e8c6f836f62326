"""Reads the contents of events, also of those whose content has gone."""

from pydantic import ValidationError

from bridgecore.events import Event


def content(source: str, key: str, record: str, name: str, body: str | None) -> tuple[Event, bool]:
    """The event, and whether its content could be read; else only what is known without it."""
    if body is not None:
        try:
            return Event.model_validate_json(body), True
        except ValidationError:
            pass
    return _nameless(source, key, record, name), False


def _nameless(source: str, key: str, record: str, name: str) -> Event:
    event_id, _, timestamp = key.partition("@")
    model, _, record_id = record.partition(":")
    return Event.model_validate(
        {
            "event_id": int(event_id),
            "source": source,
            "model": model,
            "record_id": int(record_id),
            "event": name,
            "timestamp": timestamp,
        }
    )
