"""Client of the feed of one Odoo database (docs/protocol.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from bridgecore.config.databases import Source
from bridgecore.errors import FeedError, FeedRefused, FeedUnavailable
from bridgecore.events import EventName
from bridgecore.odoo.connection import Connection

#: bytes of an answer that are read. A page of the addon has about 8 MB at most.
MAX_ANSWER = 64 * 1024 * 1024
#: characters of an error message from Odoo that are quoted
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the feed."""

    #: the events as decoded from JSON, not checked yet
    events: Sequence[Any]
    #: the cursor for the next call
    last_id: int
    #: the feed has more events after this page
    has_more: bool
    #: bytes of the whole page
    size: int
    #: events after the cursor that was sent may be missing from the feed: read again from 0
    cursor_expired: bool
    #: names the place of the database; None from an older addon
    instance: Any = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The events that Odoo has and that are not confirmed."""

    #: their number
    events: int
    #: seconds since the oldest of them
    age: float


@dataclass(frozen=True, slots=True)
class Consumer:
    """Whom Odoo takes the receiver for, by its key: a row of Odoo's list of consumers."""

    id: int
    name: str
    #: whether Odoo counts what the consumer confirms; false if somebody archived it
    active: bool
    #: names of companies and models whose events exist, and which the consumer does not get
    left_out: Sequence[str]


class OdooFeed:
    """Reads events of a source and confirms them.

    Raises, from all calls:
        FeedUnavailable: Odoo is not reachable, is too slow, or answered 408, 429 or 5xx; or a
            proxy or web server in front of it refused the call.
        FeedRefused: the feed key is wrong, or its user lacks a right.
        FeedError: any other answer that is not understood.
        AnswerTooLarge: the answer has more than `MAX_ANSWER` bytes.
    """

    def __init__(self, source: Source, timeout: tuple[float, float]) -> None:
        self._source = source
        self._connection = Connection(
            source, source.feed_key.get_secret_value(), timeout, "source", FeedUnavailable
        )

    def pull(self, last_event_id: int, limit: int, include_processed: bool) -> Page:
        """Return the page after a cursor.

        Parameters:
            include_processed: also events that were confirmed before.
        """
        answer, size = self._call(
            "pull",
            {
                "last_event_id": last_event_id,
                "limit": limit,
                "include_processed": include_processed,
            },
        )
        if answer.get("source", self._source.id) != self._source.id:
            raise FeedError(
                f"{self._source.url} is database {answer['source']}, but BRIDGECORE_SOURCES "
                f"says that it is {self._source.id}: correct id or url of this source."
            )
        try:
            events = answer["events"]
            last_id = int(answer["last_id"])
        except (KeyError, TypeError, ValueError):
            raise FeedError("Odoo's feed answered without events or last_id.") from None
        if not isinstance(events, list):
            raise FeedError("Odoo's feed answered with events that are no list.")
        return Page(
            events,
            last_id,
            bool(answer.get("has_more")),
            size,
            bool(answer.get("cursor_expired")),
            answer.get("instance"),
        )

    def mark_processed(
        self, done: Sequence[EventName], failed: Mapping[EventName, str]
    ) -> list[int]:
        """Confirm events; return the ids of those that Odoo does not know.

        Parameters:
            failed: events that were given up, with their errors.
        """
        answer, _size = self._call(
            "mark-processed",
            {
                # two lists: an older addon reads the ids alone
                "event_ids": [event.id for event in done],
                "timestamps": [event.timestamp for event in done],
                "failed": [{**event._asdict(), "error": error} for event, error in failed.items()],
            },
        )
        return list(answer.get("unknown") or [])

    def backlog(self) -> Backlog:
        """Return how many events are not confirmed, and the age of the oldest."""
        answer, _size = self._call("stats", {"days": 1}, method="GET")
        try:
            return Backlog(int(answer["backlog"]), float(answer["oldest_pending_age"] or 0))
        except (KeyError, TypeError, ValueError):
            raise FeedError("Odoo's feed answered without backlog.") from None

    def consumer(self) -> Consumer | None:
        """Return whom Odoo takes this receiver for; None if the addon is too old to tell."""
        answer, _size = self._call("stats", {"days": 1}, method="GET")
        match answer.get("consumer"):
            case {
                "id": int(id_),
                "name": str(name),
                "active": bool(active),
                "left_out": {"companies": list(companies), "models": list(models)},
            }:
                left_out = [*(str(company.get("name")) for company in companies), *models]
                return Consumer(id_, name, active, left_out)
        return None

    def _call(
        self, route: str, body: dict[str, Any], method: str = "POST"
    ) -> tuple[dict[str, Any], int]:
        """Return the answer as decoded from JSON, and its size in bytes."""
        url = f"{str(self._source.url).rstrip('/')}/api/webhooks/{route}"
        response = self._connection.send(
            method,
            url,
            most=MAX_ANSWER,
            json=body if method == "POST" else None,
            params=body if method == "GET" else None,
        )
        answer, status = _json(response), response.status_code
        if status in (401, 403, 407, 408, 429) or status >= 500:
            if not _is_error_of_feed(answer):
                raise FeedUnavailable(self._connection.foreign(response, "Odoo's feed"))
            if status in (401, 403):
                raise FeedRefused(
                    f"{url} refused the feed key ({status}): check feed_key of this source, and "
                    "that its Odoo user is in the group 'Webhook receiver'."
                )
            raise FeedUnavailable(f"{url} answered {status}{_why(answer)}.")
        if status != 200 or not isinstance(answer, dict):
            raise FeedError(
                f"{url} answered {status}{self._connection.through(url)} without the JSON of a "
                f"feed{_why(answer)}: check url and database of this source, and that "
                "auto_webhook_odoo is installed there."
            )
        return answer, len(response.content)


def _is_error_of_feed(answer: Any) -> bool:
    """Return whether an answer has the form of the feed's errors (docs/protocol.md)."""
    match answer:
        case {"success": False, "error": {"message": str()}}:
            return True
    return False


def _why(answer: Any) -> str:
    """Return the error message in the answer, as the end of a sentence; empty if it has none."""
    match answer:
        case {"error": {"message": str(message)}}:
            return f" ({' '.join(message.split())[:_LONGEST_REASON].rstrip('.')})"
    return ""


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):  # ValueError also for numbers with thousands of digits
        return None
