"""The event and the three forms in which one arrives.

Pure: knows the wire (docs/protocol.md), not HTTP, Redis or Celery.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from bridgecore.errors import ForeignSource, InvalidEvent, InvalidJson

#: Odoo gives a batch of at most this many events, in a push and in a page of the feed.
MAX_BATCH = 1000

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


Id = Annotated[int, Field(strict=True, ge=1, lt=2**63)]


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


class Event(BaseModel):
    """One committed change of one Odoo record."""

    model_config = ConfigDict(
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={"example": EXAMPLE},
    )

    #: the row of `update.webhook`; unique in its source, until a backup is restored there
    event_id: Id
    #: the Odoo database, by its `database.uuid`
    source: str
    model: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.]+$")
    record_id: Id
    event: Literal["create", "write", "unlink"]
    #: of the commit, UTC to the microsecond; a text, because it must compare exactly
    timestamp: Annotated[str, BeforeValidator(exact_timestamp)]
    priority: Literal["high", "medium", "low"] = "medium"
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
    def body(self) -> str:
        """As JSON.

        Raises:
            PydanticSerializationError: JSON in UTF-8 cannot express it.
        """
        return self.model_dump_json()

    @property
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
        kept = self.model_dump(exclude={"payload", "old_values"})
        return Event.model_validate({**kept, "payload": {"_metadata": {"erased": True}}})

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
        data = from_json(body, allow_inf_nan=False)
    except ValueError:
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
    # Odoo has null where nothing is known; the defaults of the fields say what that means.
    known = {name: value for name, value in data.items() if value is not None}
    known["source"] = source
    if "event_id" not in known and "id" in known:
        known["event_id"] = known["id"]
    try:
        return Event.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in (place, *first["loc"]) if part != "")
        raise InvalidEvent(f"{path}: {first['msg'].removeprefix('Value error, ')}") from None


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


_NEEDED = [name for name, field in Event.model_fields.items() if field.is_required()]
