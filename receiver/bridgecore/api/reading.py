"""What has been received: events, records, sync states."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from bridgecore.api.access import FOR_ADMINS, Parts, chosen_sources
from bridgecore.api.models import (
    KEY_EXAMPLE,
    KEY_PATTERN,
    ListedEvent,
    WholeEvent,
    listed,
    microseconds,
    moment,
    whole,
)
from bridgecore.errors import InvalidCursor, NotFound
from bridgecore.storage.history import Filter, Known, Place

router = APIRouter(prefix="/api/v1", tags=["Reading"], dependencies=FOR_ADMINS)

Key = Annotated[str, Path(pattern=KEY_PATTERN, examples=[KEY_EXAMPLE])]
Model = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.]{1,128}$", examples=["sale.order"])]
SourceId = Annotated[str, Path(examples=["0c5d4f6a-0000-4000-8000-000000000001"])]


class EventList(BaseModel):
    """A page, newest first."""

    success: Literal[True] = True
    events: list[ListedEvent]
    #: send it as `cursor` to go on; null at the end. A page may be short and still have one.
    next: str | None


class OneEvent(BaseModel):
    success: Literal[True] = True
    event: WholeEvent


class RecordValues(BaseModel):
    """The values of its configured fields, as of its last event."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "deleted": False,
                    "timestamp": "2026-01-31T12:00:00.123456Z",
                    "values": {"name": "SO001", "state": "sale"},
                }
            ]
        }
    )

    success: Literal[True] = True
    deleted: bool
    #: of the change that they are from, Odoo's
    timestamp: str
    values: dict[str, Any]


class SyncState(BaseModel):
    """How far the events of one model have been handled."""

    model: str
    #: that were handled or given up
    events: int
    last_event_id: int
    #: of that event, Odoo's
    last_timestamp: str
    updated_at: datetime | None


class SourceState(BaseModel):
    """How far a source has been read and handled."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": "0c5d4f6a-0000-4000-8000-000000000001",
                    "name": "production",
                    "cursor": 4711,
                    "feed_read_at": "2026-01-31T12:00:30Z",
                    "feed_error": None,
                    "models": [
                        {
                            "model": "sale.order",
                            "events": 128,
                            "last_event_id": 4711,
                            "last_timestamp": "2026-01-31T12:00:00.123456Z",
                            "updated_at": "2026-01-31T12:00:00.140000Z",
                        }
                    ],
                }
            ]
        }
    )

    source: str
    name: str
    cursor: int
    #: when its feed was last read to its end
    feed_read_at: datetime | None
    #: why its Odoo is left alone at the moment
    feed_error: str | None
    models: list[SyncState]


class SyncStates(BaseModel):
    success: Literal[True] = True
    sources: list[SourceState]


@router.get("/events")
def events(
    parts: Parts,
    source: Annotated[str | None, Query(description="all by default")] = None,
    model: Annotated[str | None, Query(description="or a pattern", examples=["sale.*"])] = None,
    record_id: Annotated[int | None, Query(ge=1, lt=2**63, examples=[336])] = None,
    event: Literal["create", "write", "unlink"] | None = None,
    since: Annotated[datetime | None, Query(description="accepted then or later")] = None,
    until: Annotated[datetime | None, Query(description="accepted then or earlier")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> EventList:
    """The events accepted last, newest first."""
    wanted = Filter(model, record_id, event, microseconds(since), microseconds(until))
    after = _place(cursor) if cursor else None
    found, last = parts.storage.history.find(chosen_sources(parts, source), wanted, limit, after)
    return EventList(
        events=[listed(known) for known in found], next=_cursor(last) if last else None
    )


@router.get("/events/{source}/{key}")
def event(parts: Parts, source: SourceId, key: Key) -> OneEvent:
    """One event with its content, and the traceback if its handlers failed."""
    return OneEvent(event=whole(find_event(parts, source, key)))


def find_event(parts: Parts, source: str, key: str) -> Known:
    """What is known of one event.

    Raises:
        UnknownSource, NotFound
    """
    chosen_sources(parts, source)
    found = parts.storage.history.known([(source, key)])
    if not found:
        raise NotFound("This event is not known, or not any more.")
    return found[0]


@router.get("/records/{source}/{model}/{record_id}")
def record(
    parts: Parts,
    source: SourceId,
    model: Model,
    record_id: Annotated[int, Path(ge=1, lt=2**63, examples=[336])],
) -> RecordValues:
    """The latest values of one record."""
    chosen_sources(parts, source)
    for found in parts.storage.latest.read(source, [f"{model}:{record_id}"]).values():
        return RecordValues(
            deleted=found.event == "unlink",
            timestamp=found.timestamp,
            values=msgspec.json.decode(found.fields),
        )
    raise NotFound("Nothing is known of this record.")


@router.get("/sync-states")
def sync_states(
    parts: Parts, source: Annotated[str | None, Query(description="all by default")] = None
) -> SyncStates:
    """How far each source and each model has come."""
    return SyncStates(sources=[_state(parts, id_) for id_ in chosen_sources(parts, source)])


def _state(parts: Parts, source: str) -> SourceState:
    health = parts.storage.feeds.health(source)
    states = parts.storage.history.sync_states(source)
    return SourceState(
        source=source,
        name=parts.settings.sources_by_id[source].name,
        cursor=parts.storage.feeds.cursor(source),
        feed_read_at=moment(health.read_at),
        feed_error=health.error or None,
        models=[
            SyncState(
                model=model,
                events=int(fields["events"]),
                last_event_id=int(fields["last_event_id"]),
                last_timestamp=fields["last_timestamp"],
                updated_at=moment(fields["updated_at"]),
            )
            for model, fields in states.items()
        ],
    )


def _cursor(place: Place) -> str:
    text = f"{place.accepted_at} {place.source} {place.entry}"
    return urlsafe_b64encode(text.encode()).decode()


def _place(cursor: str) -> Place:
    try:
        accepted_at, source, entry = urlsafe_b64decode(cursor).decode().split(" ", 2)
        return Place(int(accepted_at), source, entry)
    except (NotBase64, ValueError):
        raise InvalidCursor from None
