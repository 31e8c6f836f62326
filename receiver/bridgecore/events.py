"""The class `Event`, and parsing the forms in which events arrive (docs/protocol.md).

This module does not depend on HTTP, Redis or Celery.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec
from msgspec.structs import replace

from bridgecore.errors import ForeignSource, InvalidEvent, InvalidJson
from bridgecore.older_forms import METADATA, is_present_form, present_form

#: most events that Odoo sends in one push or in one page of the feed
MAX_BATCH = 1000

#: How deep values may be nested. All libraries that read an accepted event must manage this depth.
MAX_DEPTH = 200

#: the record of a connection test, which no event has
TEST_RECORD = -1

_EXACT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


def exact_timestamp(value: Any) -> str:
    """Return an ISO 8601 time in UTC with microseconds, so that equal times are equal texts.

    A time without a zone is taken as UTC, as in Odoo's database.

    Raises:
        ValueError: the value is no text in ISO 8601.
    """
    if not isinstance(value, str):
        raise ValueError("must be a time in ISO 8601, as a text")
    try:
        moment = datetime.fromisoformat(value)
        if _EXACT.fullmatch(value):  # the form that Odoo writes; a short cut, for speed
            return value
        if moment.tzinfo not in (None, UTC):
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time in ISO 8601") from None
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
#: Technical name of a model. Python's `$` alone would let a line break at the end pass.
Model = Annotated[
    str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.]+(?!\n)$")
]
#: what happened to a record
Name = Literal["create", "write", "unlink"]
Priority = Literal["high", "medium", "low"]


#: an event as Odoo pushes it, for the API description
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


class EventName(NamedTuple):
    """What a confirmation names an event by.

    The id alone does not: a database that was restored from a backup gives the same ids to other
    events.
    """

    id: int
    #: as in `Event.timestamp`; None if the event has none that can be read
    timestamp: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One committed change of one Odoo record."""

    #: Id of the row in Odoo's `update.webhook`. A database that was restored from a backup uses ids
    #: again.
    event_id: Id
    #: the Odoo database, by its `database.uuid`
    source: str
    model: Model
    record_id: Id
    event: Name
    #: Time of the commit, in the form of `exact_timestamp`. A text, so that comparisons are exact.
    timestamp: str
    priority: Priority = "medium"
    category: str = "business"
    payload: dict[str, Any] = {}
    changed_fields: list[str] = []
    old_values: dict[str, Any] = {}
    user_id: int | None = None
    user_name: str | None = None
    company_id: int | None = None
    #: Somebody had the event sent or handled again, so later events of its record may have been
    #: handled before.
    replayed: bool = False

    @cached_property
    def key(self) -> str:
        """Identifies the event within its source. The id alone does not: a restored database uses
        ids again."""
        return f"{self.event_id}@{self.timestamp}"

    @cached_property
    def body(self) -> bytes:
        """The event as JSON, for `parse_body`."""
        return msgspec.json.encode(self)

    @cached_property
    def erases(self) -> bool:
        """Whether Odoo erased the personal data of the record; handlers must delete theirs, too."""
        return self._metadata.get("erased") is True

    @cached_property
    def erased_fields(self) -> list[str] | None:
        """Fields whose values Odoo erased in this event and in the older ones of the record,
        because they named a person; handlers must delete theirs, too. None: it erased nothing.
        """
        names = self._metadata.get("erased_fields")
        if not isinstance(names, list):
            return None
        return [name for name in names if isinstance(name, str)]

    @property
    def is_erasure(self) -> bool:
        """Whether values in the older events of the record must be deleted."""
        return self.erases or self.erased_fields is not None

    @property
    def gone(self) -> bool:
        """Whether the record still exists in Odoo for others, but not for the receiver's user.

        True only if `event` is "unlink".
        """
        return self._metadata.get("gone") is True

    @property
    def is_partial(self) -> bool:
        """Whether configured fields may be missing in the payload. Their values did not change.

        Odoo leaves fields out when it reduces a large payload. A payload of an older sender may
        lack fields without saying so.
        """
        return self.event == "write" and ("reduced_to" in self._metadata or not self.changed_fields)

    @property
    def _metadata(self) -> dict[str, Any]:
        """What Odoo says about the payload; empty if it says nothing."""
        metadata = self.payload.get("_metadata")
        return metadata if isinstance(metadata, dict) else {}

    def blank(self) -> "Event":
        """Return this event without the values of its record."""
        return replace(self, payload={"_metadata": {"erased": True}}, old_values={})

    def without(self, names: Sequence[str]) -> "Event":
        """Return this event without the values of some fields, as Odoo blanks them."""
        return replace(
            self,
            payload=without_names(self.payload, names),
            old_values=without_names(self.old_values, names),
        )

    @cached_property
    def record(self) -> str:
        """Identifies the record within its source. Events of one record are handled in order."""
        return f"{self.model}:{self.record_id}"

    @property
    def idempotency_key(self) -> str:
        """The same text whenever a handler gets this event, even if the receiver lost its state."""
        return f"{self.source}/{self.key}"


def without_names(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return values of a record after the erasure of some fields.

    A link to another record keeps its id and loses its name; any other value becomes null.
    """
    blanked = dict(values)
    for name in values.keys() & {*names} - {"_metadata"}:
        value = values[name]
        is_link = isinstance(value, dict) and value.keys() == {"id", "name"}
        blanked[name] = {**value, "name": None} if is_link else None
    return blanked


def parse_push(body: bytes, source: str) -> list[Event]:
    """Return the events of a push: one event or a batch, in the present form or an older one.

    A batch without events is a ping: the sender checks its address and credentials. A connection
    test does the same, and is left out of the result.

    Parameters:
        source: the source that the push's credentials belong to.

    Raises:
        InvalidJson, InvalidEvent, ForeignSource
    """
    try:
        data = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise InvalidJson from None
    if not isinstance(data, dict):
        raise InvalidEvent("The body must be a JSON object.")
    if "events" in data and METADATA not in data:
        return _parse_batch(data, source)
    event = _parse_pushed(data, source)
    return [] if event is None else [event]


#: An event with a field `events` would be taken for a batch, and its values would be dropped.
_NOT_OF_A_BATCH = ("event_id", "record_id", "payload", "data")


def _parse_batch(data: dict[str, Any], source: str) -> list[Event]:
    items = data["events"]
    if not isinstance(items, list) or len(items) > MAX_BATCH:
        raise InvalidEvent(f"events must be a list of at most {MAX_BATCH} events.")
    _check_source(data, source)
    if data.get("record_id") != TEST_RECORD:  # a sample is a ping and an event at the same time
        for name in _NOT_OF_A_BATCH:
            if name in data:
                raise InvalidEvent(f"{name}: belongs to one event, and stands beside events")
    parsed = (_parse_pushed(item, source, f"events.{index}") for index, item in enumerate(items))
    return [event for event in parsed if event is not None]


def _parse_pushed(data: Any, source: str, place: str = "") -> Event | None:
    """Return the event that a JSON object of a push describes; None for a connection test.

    Raises:
        InvalidEvent, ForeignSource
    """
    if isinstance(data, dict):
        if not is_present_form(data):
            try:
                data = present_form(data)
            except ValueError as error:
                raise InvalidEvent(_path(place, str(error))) from None
        if data.get("record_id") == TEST_RECORD:
            _check_source(data, source)
            return None
    return parse_event(data, source, place)


def parse_event(data: Any, source: str, place: str = "") -> Event:
    """Return the event that a JSON object of a push or of the feed describes.

    Parameters:
        place: position of the object in the body, for error messages.

    Raises:
        InvalidEvent, ForeignSource
    """
    if not isinstance(data, dict):
        raise InvalidEvent(f"{place or 'The event'} must be a JSON object.")
    _check_source(data, source)
    fields = _fields_of(data)
    fields["source"] = source
    if "event_id" not in fields and "id" in data:  # the feed's name for it
        fields["event_id"] = data["id"]
    if "timestamp" in fields:  # `convert` below complains if it is missing
        try:
            fields["timestamp"] = exact_timestamp(fields["timestamp"])
        except ValueError as error:
            raise InvalidEvent(f"{_path(place, 'timestamp')}: {error}") from None
    try:
        event = msgspec.convert(fields, Event)
        too_deep = _is_too_deep(event)
    except msgspec.ValidationError as error:
        raise InvalidEvent(_describe(error, place)) from None
    except UnicodeEncodeError:
        raise InvalidEvent(
            f"{_path(place)}: contains characters that UTF-8 cannot express"
        ) from None
    if too_deep:
        raise InvalidEvent(f"{_path(place)}: values are nested more than {MAX_DEPTH} times")
    return event


def parse_body(body: str | bytes) -> Event:
    """Return the event that `Event.body` has written.

    Raises:
        ValueError: the text is no event.
    """
    return _DECODER.decode(body)


_DECODER = msgspec.json.Decoder(Event)
_CHOICES = {"event": get_args(Name), "priority": get_args(Priority)}


def _describe(error: msgspec.ValidationError, place: str) -> str:
    """Return what is wrong with an event and where, without the wrong value."""
    # The last " - at " is msgspec's; a value in the text may contain others.
    text, found, where = str(error).rpartition(" - at ")
    text, where = (text, where.strip("`$").removeprefix(".")) if found else (where, "")
    if where in _CHOICES:
        text = f"must be one of {', '.join(_CHOICES[where])}"
    return f"{_path(place, where)}: {text}"


def _path(*places: str) -> str:
    return ".".join(place for place in places if place) or "The event"


def _is_too_deep(event: Event) -> bool:
    """Return whether the event's values are nested more than `MAX_DEPTH` times."""
    try:
        # A short cut: most events have so few brackets that they cannot be nested too deep.
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


def _fields_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event that are set in a JSON object.

    Null means that Odoo does not know a value; the event then has the default of the field. Some
    senders write false for "no user" and "no company".
    """
    return {
        name: value
        for name in Event.__struct_fields__
        if (value := data.get(name)) is not None and not (value is False and name in _FALSE_IF_NONE)
    }


_FALSE_IF_NONE = ("user_id", "user_name", "company_id")


def _check_source(data: Mapping[str, Any], source: str) -> None:
    if data.get("source") not in (None, source):
        raise ForeignSource
