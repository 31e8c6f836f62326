"""Client of one Odoo database's feed (docs/protocol.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from bridgecore.config.databases import Source
from bridgecore.errors import FeedError, FeedRefused, FeedUnavailable
from bridgecore.reasons import reason

#: characters of what Odoo says of an error
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Page:
    """What one call of the feed returned; events are still as they came over the wire."""

    events: Sequence[Any]
    #: the cursor of the next call
    last_id: int
    has_more: bool
    #: the cursor that was sent means nothing to this database (any more)
    cursor_expired: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What Odoo has and does not know to be handled."""

    events: int
    #: seconds since the oldest of them
    age: float


class OdooFeed:
    """Reads events of a source and tells it what became of them.

    Raises, from all calls:
        FeedUnavailable: not reachable, too slow, or in trouble of its own.
        FeedRefused: the key is wrong or lacks a right.
        FeedError: any other answer.
    """

    def __init__(self, source: Source, timeout: tuple[float, float]) -> None:
        self._source = source
        self._timeout = timeout
        self._session = requests.Session()
        # As an auth object and not as a header: a ~/.netrc would replace the header.
        self._session.auth = self._authorize
        if source.database:
            self._session.headers["X-Odoo-Database"] = source.database

    def pull(self, last_event_id: int, limit: int, include_processed: bool) -> Page:
        """The events after a cursor."""
        answer = self._call(
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
                f"calls it {self._source.id}: correct the id or the address."
            )
        try:
            events = answer["events"]
            last_id = int(answer["last_id"])
        except (KeyError, TypeError, ValueError):
            raise FeedError("Odoo's feed answered without events or last_id.") from None
        if not isinstance(events, list):
            raise FeedError("Odoo's feed answered with events that are no list.")
        return Page(
            events, last_id, bool(answer.get("has_more")), bool(answer.get("cursor_expired"))
        )

    def mark_processed(self, ids: Sequence[int], failed: Mapping[int, str]) -> list[int]:
        """Confirm handled events and report failed ones (id: error); the ids Odoo doesn't know."""
        answer = self._call(
            "mark-processed",
            {
                "event_ids": list(ids),
                "failed": [{"id": id_, "error": error} for id_, error in failed.items()],
            },
        )
        return list(answer.get("unknown") or [])

    def backlog(self) -> Backlog:
        """How many events are not confirmed, and for how long."""
        answer = self._call("stats", {"days": 1}, method="GET")
        try:
            return Backlog(int(answer["backlog"]), float(answer["oldest_pending_age"] or 0))
        except (KeyError, TypeError, ValueError):
            raise FeedError("Odoo's feed answered without backlog.") from None

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._source.feed_key.get_secret_value()}"
        return request

    def _call(self, route: str, body: dict[str, Any], method: str = "POST") -> dict[str, Any]:
        url = f"{str(self._source.url).rstrip('/')}/api/webhooks/{route}"
        try:
            # A redirect would carry the key to another address.
            response = self._session.request(
                method,
                url,
                timeout=self._timeout,
                allow_redirects=False,
                json=body if method == "POST" else None,
                params=body if method == "GET" else None,
            )
        except OSError as error:  # as all of requests' errors are
            raise FeedUnavailable(f"{url} cannot be reached ({reason(error)}).") from error
        if response.status_code in (401, 403):
            raise FeedRefused(
                f"{url} refused the feed key ({response.status_code}): check feed_key of this "
                "source, and that its Odoo user is in the group 'Webhook receiver'."
            )
        answered = f"{url} answered {response.status_code}"
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise FeedUnavailable(f"{answered}{_why(response)}.")
        answer = _json(response) if response.status_code == 200 else None
        if not isinstance(answer, dict):
            raise FeedError(
                f"{answered} without the JSON of a feed{_why(response)}: check url and database of "
                "this source, and that auto_webhook_odoo is installed there."
            )
        return answer


def _why(response: requests.Response) -> str:
    """What the feed says of its error, as the end of a sentence."""
    match _json(response):
        case {"error": {"message": str(message)}}:
            return f" ({' '.join(message.split())[:_LONGEST_REASON].rstrip('.')})"
    return ""


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):  # also numbers of thousands of digits
        return None
