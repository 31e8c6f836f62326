"""The answers of the reading routes.

Times in fields that end in `_at` are those of the receiver's Redis. `timestamp` is Odoo's time.
"""

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


class ApiModel(BaseModel):
    """A body of a request or answer. The API description shows the docstrings of its fields."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class ListedEvent(ApiModel):
    """An event without its content, and how far the receiver has come with it."""

    model_config = _example(_LISTED)

    source: str
    """The Odoo database, by its `database.uuid`."""
    key: str
    """`<event id>@<timestamp>`: identifies the event within its source."""
    event_id: int
    """Number of the event in Odoo."""
    model: str
    """Technical name of the record's model."""
    record_id: int
    event: str
    """What happened to the record: `create`, `write` or `unlink`."""
    timestamp: str
    """When the change was committed in Odoo."""
    state: State
    """`queued`: waits for its handlers. `done`: handled. `confirmed`: handled, and Odoo knows it.
    `dead`: given up, a dead letter. `discarded`: a dead letter that was removed from the list."""
    via: Literal["push", "pull"]
    """How the event came to the receiver first."""
    attempts: int
    """How often the receiver has tried to handle it, since it was queued last."""
    replays: int
    """How often it was queued again as a dead letter."""
    accepted_at: datetime
    handled_at: datetime | None
    """When it was handled or given up."""
    confirmed_at: datetime | None
    """When the receiver confirmed it to Odoo."""


class WholeEvent(ListedEvent):
    """An event with its content. The receiver deletes the content some time after confirming it."""

    model_config = _example(_WHOLE)

    priority: str
    category: str
    payload: dict[str, Any]
    """Values of the configured fields after the change; for `unlink`, the last ones."""
    changed_fields: list[str]
    """Names of the fields that a `write` changed."""
    old_values: dict[str, Any]
    """Values of the changed fields before the change, if Odoo is configured to send them."""
    user_id: int | None
    """The Odoo user who made the change."""
    user_name: str | None
    company_id: int | None
    """The company in which the change was made."""
    handled_by: list[str]
    """Handlers that succeeded while others failed. They are not called again."""
    error: str | None
    """Traceback of the last failed attempt."""
    content_kept: bool
    """False if the content has been deleted or cannot be read."""


def listed(known: Known) -> ListedEvent:
    """Return what the API shows of an event in a list."""
    return ListedEvent.model_validate(_facts(known))


def whole(known: Known) -> WholeEvent:
    """Return all that the API shows of an event."""
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
    """Return the time for microseconds since 1970 (UTC); None for None, "" and 0."""
    return datetime.fromtimestamp(int(microseconds) / 1e6, UTC) if microseconds else None


def microseconds(moment: datetime | None) -> int | None:
    """Return a time in microseconds since 1970. A time without a zone is taken as UTC."""
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)
