"""What the reading routes answer. Times ending in `_at` are the receiver's."""

from datetime import UTC, datetime
from typing import Any, Literal

from msgspec.structs import asdict
from pydantic import BaseModel, ConfigDict

from bridgecore.events import EXAMPLE
from bridgecore.storage.batches import HANDLER_PREFIX
from bridgecore.storage.history import Known

#: `<event id>@<timestamp>`
KEY_PATTERN = r"^[0-9]{1,19}@[0-9T:.Z-]{27}$"
KEY_EXAMPLE = "4711@2026-01-31T12:00:00.123456Z"

State = Literal["queued", "done", "dead", "confirmed", "discarded"]
_LISTED = {
    "key": KEY_EXAMPLE,
    **{name: EXAMPLE[name] for name in ("source", "event_id", "model", "record_id", "event")},
    "timestamp": EXAMPLE["timestamp"],
    "state": "confirmed",
    "via": "push",
    "attempts": 1,
    "replays": 0,
    "accepted_at": "2026-01-31T12:00:00.130000Z",
    "handled_at": "2026-01-31T12:00:00.140000Z",
    "confirmed_at": "2026-01-31T12:00:00.210000Z",
}
_WHOLE = {
    **EXAMPLE,
    **_LISTED,
    "handled_by": ["my_handlers.order_changed"],
    "error": None,
    "content_kept": True,
}


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class ListedEvent(BaseModel):
    """An event and how far it has come."""

    model_config = _example(_LISTED)

    source: str
    key: str
    event_id: int
    model: str
    record_id: int
    event: str
    timestamp: str
    state: State
    via: Literal["push", "pull"]
    attempts: int
    replays: int
    accepted_at: datetime
    handled_at: datetime | None
    confirmed_at: datetime | None


class WholeEvent(ListedEvent):
    """With its content, which is kept for a while after the confirmation."""

    model_config = _example(_WHOLE)

    priority: str
    category: str
    payload: dict[str, Any]
    changed_fields: list[str]
    old_values: dict[str, Any]
    user_id: int | None
    user_name: str | None
    company_id: int | None
    #: handlers that succeeded while others failed
    handled_by: list[str]
    #: traceback of the last attempt that failed
    error: str | None
    #: false: the content has been deleted
    content_kept: bool


def listed(known: Known) -> ListedEvent:
    return ListedEvent.model_validate(_facts(known))


def whole(known: Known) -> WholeEvent:
    handlers = [name for name in known.fields if name.startswith(HANDLER_PREFIX)]
    return WholeEvent.model_validate(
        {
            **asdict(known.event),
            **_facts(known),
            "handled_by": [name.removeprefix(HANDLER_PREFIX) for name in handlers],
            "error": known.fields.get("error"),
            "content_kept": not known.empty,
        }
    )


def _facts(known: Known) -> dict[str, Any]:
    event, fields = known.event, known.fields
    return {
        "source": event.source,
        "key": event.key,
        "event_id": event.event_id,
        "model": event.model,
        "record_id": event.record_id,
        "event": event.event,
        "timestamp": event.timestamp,
        "state": fields["state"],
        "via": fields["via"],
        "attempts": int(fields.get("attempts", 0)),
        "replays": int(fields.get("replays", 0)),
        **{
            name: moment(fields.get(name)) for name in ("accepted_at", "handled_at", "confirmed_at")
        },
    }


def moment(microseconds: str | int | None) -> datetime | None:
    return datetime.fromtimestamp(int(microseconds) / 1e6, UTC) if microseconds else None


def microseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)
