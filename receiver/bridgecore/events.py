"""The event and the three forms in which one arrives.

Pure: knows the wire (docs/protocol.md), not HTTP, Redis or Celery.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec.structs import replace

from bridgecore.errors import ForeignSource, InvalidEvent, InvalidJson

#: Odoo gives a batch of at most this many events, in a push and in a page of the feed.
MAX_BATCH = 1000

#: How deep values may be nested: what can be taken in can also be read wherever it goes.
MAX_DEPTH = 200

#: Where older senders put the id of an event and facts about it.
LEGACY_MARK = "_webhook_metadata"


_EXACT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


def exact_timestamp(value: Any) -> str:
    """ISO 8601 text as UTC to the microsecond, so that equal moments are equal texts.

    A time without zone is UTC, as in Odoo's database.

    Raises:
        ValueError: the value is not such a text.
    """
    if not isinstance(value, str):
        raise ValueError("must be a text in ISO 8601")
    try:
        moment = datetime.fromisoformat(value)
        if _EXACT.fullmatch(value):  # as Odoo writes it; writing it anew would take longer
            return value
        if moment.tzinfo not in (None, UTC):
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time in ISO 8601") from None
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
#: of a model; Python's `$` alone would let a line break pass
Model = Annotated[
    str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.]+(?!\n)$")
]
#: what happened to a record
Name = Literal["create", "write", "unlink"]
Priority = Literal["high", "medium", "low"]


#: as Odoo pushes it; for descriptions of the API
EXAMPLE: dict[str, Any] = {
    "event_id": 4711,
    "source": "0c5d4f6a-0000-4000-8000-000000000001",
    "model": "sale.order",
    "record_id": 336,
    "event": "write",
    "timestamp": "2026-01-31T12:00:00.123456Z",
    "priority": "high",
    "category": "business",
    "payload": {"name": "SO001", "state": "sale"},
    "changed_fields": ["state"],
    "old_values": {"state": "draft"},
    "user_id": 2,
    "user_name": "Mitchell Admin",
    "company_id": 1,
}


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One committed change of one Odoo record."""

    #: the row of `update.webhook`; unique in its source, until a backup is restored there
    event_id: Id
    #: the Odoo database, by its `database.uuid`
    source: str
    model: Model
    record_id: Id
    event: Name
    #: of the commit, as by `exact_timestamp`; a text, because it must compare exactly
    timestamp: str
    priority: Priority = "medium"
    category: str = "business"
    payload: dict[str, Any] = {}
    changed_fields: list[str] = []
    old_values: dict[str, Any] = {}
    user_id: int | None = None
    user_name: str | None = None
    company_id: int | None = None
    #: somebody had it sent or handled again; later events of its record may have come before
    replayed: bool = False

    @cached_property
    def key(self) -> str:
        """What makes it the same event within its source: a restored database reuses ids."""
        return f"{self.event_id}@{self.timestamp}"

    @cached_property
    def body(self) -> bytes:
        """As JSON, for `parse_body`."""
        return msgspec.json.encode(self)

    @cached_property
    def erases(self) -> bool:
        """Whether the record's personal data were erased in Odoo; yours have to go, too."""
        return self._metadata.get("erased") is True

    @property
    def is_partial(self) -> bool:
        """Whether configured fields may be missing, that have the values which they had before.

        So it is if Odoo has reduced the payload; of an older sender's nobody knows.
        """
        return self.event == "write" and ("reduced_to" in self._metadata or not self.changed_fields)

    @property
    def _metadata(self) -> dict[str, Any]:
        """What Odoo says about the payload."""
        metadata = self.payload.get("_metadata")
        return metadata if isinstance(metadata, dict) else {}

    def blank(self) -> "Event":
        """This event without values."""
        return replace(self, payload={"_metadata": {"erased": True}}, old_values={})

    @cached_property
    def record(self) -> str:
        """The record in its source: what events are put in order for."""
        return f"{self.model}:{self.record_id}"

    @property
    def idempotency_key(self) -> str:
        """The same for every repetition of this event, also after the receiver lost its state."""
        return f"{self.source}/{self.key}"


def parse_push(body: bytes, source: str) -> list[Event]:
    """The events of a push: one event, a batch, or the flat form of older senders.

    A batch without events is a ping: it shows that address and credentials are right.

    Parameters:
        source: whom the credentials of the push belong to.

    Raises:
        InvalidJson, InvalidEvent, ForeignSource
    """
    try:
        data = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise InvalidJson from None
    if not isinstance(data, dict):
        raise InvalidEvent("The body must be a JSON object.")
    if "events" not in data:
        return [parse_event(_from_legacy(data) if LEGACY_MARK in data else data, source)]
    items = data["events"]
    if not isinstance(items, list) or len(items) > MAX_BATCH:
        raise InvalidEvent(f"events must be a list of at most {MAX_BATCH} events.")
    _check_source(data, source)
    return [parse_event(item, source, f"events.{index}") for index, item in enumerate(items)]


def parse_event(data: Any, source: str, place: str = "") -> Event:
    """One event of `source`; the feed's `id` is its event id.

    Parameters:
        place: where it stands in the body, for the error's message.

    Raises:
        InvalidEvent, ForeignSource
    """
    if not isinstance(data, dict):
        raise InvalidEvent(f"{place or 'The event'} must be a JSON object.")
    _check_source(data, source)
    known = _known(data)
    known["source"] = source
    if "event_id" not in known and "id" in data:
        known["event_id"] = data["id"]
    if "timestamp" in known:  # else it is missed below
        try:
            known["timestamp"] = exact_timestamp(known["timestamp"])
        except ValueError as error:
            raise InvalidEvent(f"{_path(place, 'timestamp')}: {error}") from None
    try:
        event = msgspec.convert(known, Event)
        too_deep = _is_too_deep(event)
    except msgspec.ValidationError as error:
        raise InvalidEvent(_in_words(error, place)) from None
    except UnicodeEncodeError:
        raise InvalidEvent(f"{_path(place)}: UTF-8 cannot express it") from None
    if too_deep:
        raise InvalidEvent(f"{_path(place)}: values are nested more than {MAX_DEPTH} times")
    return event


def parse_body(body: str | bytes) -> Event:
    """An event from its `body`.

    Raises:
        ValueError: it is none.
    """
    return _BODY.decode(body)


_BODY = msgspec.json.Decoder(Event)
_CHOICES = {"event": get_args(Name), "priority": get_args(Priority)}


def _in_words(error: msgspec.ValidationError, place: str) -> str:
    """What is wrong with an event, and where; but not the value."""
    text, found, where = str(error).rpartition(" - at ")  # the value may have that, too
    text, where = (text, where.strip("`$").removeprefix(".")) if found else (where, "")
    if where in _CHOICES:
        text = f"must be one of {', '.join(_CHOICES[where])}"
    return f"{_path(place, where)}: {text}"


def _path(*places: str) -> str:
    return ".".join(place for place in places if place) or "The event"


def _is_too_deep(event: Event) -> bool:
    """Whether it could not be read again wherever it goes."""
    try:
        # Most events have too few brackets for that.
        brackets = event.body.count(b"{") + event.body.count(b"[")
    except RecursionError:
        return True
    return brackets > MAX_DEPTH and _depth(event) > MAX_DEPTH


def _depth(event: Event) -> int:
    depth, level = 0, [event.payload, event.old_values]
    while level:
        depth += 1
        level = [value for outer in level for value in _inner(outer)]
    return depth


def _inner(outer: dict[str, Any] | list[Any]) -> Iterator[Any]:
    values = outer.values() if isinstance(outer, dict) else outer
    return (value for value in values if isinstance(value, dict | list))


def _known(data: dict[str, Any]) -> dict[str, Any]:
    """What it says of an event.

    Odoo has null where nothing is known; the defaults of the fields say what that means. Older
    senders also have false for nobody.
    """
    return {
        name: value
        for name in Event.__struct_fields__
        if (value := data.get(name)) is not None and not (value is False and name in _NOBODY)
    }


_NOBODY = ("user_id", "user_name", "company_id")


def _check_source(data: Mapping[str, Any], source: str) -> None:
    if data.get("source") not in (None, source):
        raise ForeignSource


def _from_legacy(data: dict[str, Any]) -> dict[str, Any]:
    """Facts from the metadata or the top level, values from `data` or the top level.

    Without `data` the top level is the record's values, whose own `user_id` or `company_id`
    is not the event's: then only what every event needs is looked for there.
    """
    metadata = data[LEGACY_MARK]
    if not isinstance(metadata, dict):
        raise InvalidEvent(f"{LEGACY_MARK} must be a JSON object.")
    top = {name: value for name, value in data.items() if name != LEGACY_MARK}
    if "data" in top:
        return {"payload": top.pop("data"), **top, **metadata}
    on_top = {name: top.pop(name) for name in _NEEDED if name in top and name not in metadata}
    return {"payload": top, **on_top, **metadata}


_NEEDED = [field.name for field in msgspec.structs.fields(Event) if field.required]
