"""The routes for reading: events, the latest values of records, and sync states."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict

from bridgecore.api.access import FOR_ADMINS, Parts, resolve_sources
from bridgecore.api.guarded_routes import AdminRoute
from bridgecore.api.models import (
    KEY_EXAMPLE,
    KEY_PATTERN,
    ApiModel,
    ListedEvent,
    WholeEvent,
    listed,
    microseconds,
    moment,
    whole,
)
from bridgecore.errors import InvalidCursor, NotFound
from bridgecore.storage.history import Filter, Known, Place

router = APIRouter(
    prefix="/api/v1", tags=["Reading"], dependencies=FOR_ADMINS, route_class=AdminRoute
)

Key = Annotated[str, Path(pattern=KEY_PATTERN, examples=[KEY_EXAMPLE])]
Model = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.]{1,128}$", examples=["sale.order"])]
SourceId = Annotated[str, Path(examples=["0c5d4f6a-0000-4000-8000-000000000001"])]


class EventList(ApiModel):
    """A page of the list of events, newest first."""

    success: Literal[True] = True
    events: list[ListedEvent]
    next: str | None
    """Send it as `cursor` to get the next page. Null at the end of the list. A page that has fewer
    events than `limit` need not be the last one."""


class OneEvent(ApiModel):
    """One event with its content."""

    success: Literal[True] = True
    event: WholeEvent


class RecordValues(ApiModel):
    """The latest values of a record, as its last event had them."""

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
    """True if the record was deleted in Odoo; `values` are then its last ones."""
    timestamp: str
    """When the last change was committed in Odoo."""
    values: dict[str, Any]
    """Values of the configured fields."""


class SyncState(ApiModel):
    """How far the receiver has handled the events of one model."""

    model: str
    events: int
    """Number of events that were handled or given up."""
    last_event_id: int
    """The last of these events."""
    last_timestamp: str
    """When its change was committed in Odoo."""
    updated_at: datetime | None
    """When it was handled or given up."""


class SourceState(ApiModel):
    """How far the receiver has read and handled the events of a source."""

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
    """The Odoo database, by its `database.uuid`."""
    name: str
    """The `name` of the source in BRIDGECORE_SOURCES."""
    cursor: int
    """Position in Odoo's feed, up to which the receiver has accepted the events."""
    feed_read_at: datetime | None
    """When the feed was last read to its end."""
    feed_error: str | None
    """Why the last calls to this Odoo failed; null if the last call succeeded."""
    models: list[SyncState]


class SyncStates(ApiModel):
    """How far the receiver has read and handled the events of its sources."""

    success: Literal[True] = True
    sources: list[SourceState]


@router.get("/events")
def events(
    parts: Parts,
    source: Annotated[str | None, Query(description="Only this source. By default all.")] = None,
    model: Annotated[
        str | None,
        Query(description="A model, or a pattern such as `sale.*`.", examples=["sale.*"]),
    ] = None,
    record_id: Annotated[int | None, Query(ge=1, lt=2**63, examples=[336])] = None,
    event: Literal["create", "write", "unlink"] | None = None,
    since: Annotated[
        datetime | None, Query(description="Only events accepted at this time or later.")
    ] = None,
    until: Annotated[
        datetime | None, Query(description="Only events accepted at this time or earlier.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> EventList:
    """List events, the last accepted ones first, without their content."""
    wanted = Filter(model, record_id, event, microseconds(since), microseconds(until))
    after = _place(cursor) if cursor else None
    found, last = parts.storage.history.find(resolve_sources(parts, source), wanted, limit, after)
    return EventList(
        events=[listed(known) for known in found], next=_cursor(last) if last else None
    )


@router.get("/events/{source}/{key}")
def event(parts: Parts, source: SourceId, key: Key) -> OneEvent:
    """Show one event with its content, and the traceback if its handlers failed."""
    return OneEvent(event=whole(find_event(parts, source, key)))


def find_event(parts: Parts, source: str, key: str) -> Known:
    """Return what the receiver knows of one event.

    Raises:
        UnknownSource, NotFound
    """
    resolve_sources(parts, source)
    found = parts.storage.history.known([(source, key)])
    if not found:
        raise NotFound("This event is not known: it was never accepted, or it has been forgotten.")
    return found[0]


@router.get("/records/{source}/{model}/{record_id}")
def record(
    parts: Parts,
    source: SourceId,
    model: Model,
    record_id: Annotated[int, Path(ge=1, lt=2**63, examples=[336])],
) -> RecordValues:
    """Show the latest values of one record."""
    resolve_sources(parts, source)
    for found in parts.storage.latest.read(source, [f"{model}:{record_id}"]).values():
        return RecordValues(
            deleted=found.event == "unlink",
            timestamp=found.timestamp,
            values=msgspec.json.decode(found.fields),
        )
    raise NotFound(
        "No values of this record are known: it has no handled event, or its values have been "
        "forgotten."
    )


@router.get("/sync-states")
def sync_states(
    parts: Parts,
    source: Annotated[str | None, Query(description="Only this source. By default all.")] = None,
) -> SyncStates:
    """Show how far the receiver has read each source and handled the events of each model."""
    return SyncStates(sources=[_state(parts, id_) for id_ in resolve_sources(parts, source)])


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
