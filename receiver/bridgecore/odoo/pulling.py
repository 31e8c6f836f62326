"""Pulls: reads the feed of a source and accepts its events."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from bridgecore.accepting.acceptance import Acceptance
from bridgecore.accepting.instances import Instances
from bridgecore.config.settings import Settings
from bridgecore.errors import (
    AnswerTooLarge,
    BridgecoreError,
    FeedError,
    InvalidEvent,
    RedisFull,
    StateLost,
)
from bridgecore.events import Event, EventName, exact_timestamp, parse_event
from bridgecore.odoo.feed import OdooFeed
from bridgecore.storage import Storage
from bridgecore.storage.feeds import Pull
from bridgecore.storage.inbox import Submission
from bridgecore.storage.lease_keeper import LeaseKeeper

log = logging.getLogger(__name__)

#: name of the lease for pulling
LEASE = "sync"
#: bytes above which the receiver asks for smaller pages: it holds a whole page in memory
PAGE_BYTES = 8 * 1024 * 1024
#: how often one call begins to read, if Redis loses its data meanwhile
MAX_BEGINS = 3


class Pulling:
    """Pulls page after page, in one process at a time per source."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        acceptance: Acceptance,
        instances: Instances,
        keeper: LeaseKeeper,
        feed_of: Callable[[str], OdooFeed],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._acceptance = acceptance
        self._instances = instances
        self._keeper = keeper
        self._feed_of = feed_of

    def pull(self, source: str, reconcile: bool = False) -> int | None:
        """Accept the unconfirmed events after the cursor; return how many of them were new.

        Returns None if another process is pulling this source. Confirmed events are not asked for:
        a receiver that has lost its cursor must not handle the whole history again.

        Parameters:
            reconcile: start at the beginning of the feed instead of the cursor. So events that the
                receiver accepted but never confirmed come again.

        Raises:
            FeedError, QueueFull, QueueUnavailable, RedisFull: the pages before were accepted, and
                the cursor stands behind them.
        """
        for _ in range(MAX_BEGINS):
            lease = self._storage.leases.acquire(source, LEASE)
            if lease is None:
                return None
            with self._keeper.hold(lease):
                try:
                    return self._pull_all(source, reconcile)
                except StateLost:  # what was read is lost, and so is the lease
                    log.warning("Redis lost its data, reading the feed anew source=%s", source)
                finally:
                    self._storage.leases.release(lease)
        return None  # the next pull tries again

    def _pull_all(self, source: str, reconcile: bool) -> int:
        pull = self._storage.feeds.begin_pull(source)
        cursor = 0 if reconcile else pull.cursor
        new, limit, is_full = 0, self._settings.pull_page_size, False
        while True:
            feed = self._feed_of(source)
            asked_at = self._storage.now()
            try:
                page = feed.pull(cursor, limit, include_processed=False)
            except AnswerTooLarge as error:
                if limit == 1:
                    raise FeedError(
                        f"The event after cursor {cursor} of {source} is larger than the receiver "
                        "reads: lower the size of payloads in the settings of the addon."
                    ) from error
                limit = limit // 2
                continue
            self._instances.note(source, page.instance)
            if page.size > PAGE_BYTES:
                limit = max(1, limit // 2)  # of the next page
            elif page.size < PAGE_BYTES / 4 and not is_full:
                limit = min(2 * limit, self._settings.pull_page_size)
            if page.cursor_expired:
                if cursor == 0:
                    raise FeedError(
                        "Odoo's feed says that the cursor 0 has expired, which it never may."
                    )
                log.warning("cursor expired, reading from 0 source=%s cursor=%d", source, cursor)
                cursor, reconcile = 0, False
                continue
            events = self._parse(source, feed, page.events)
            try:
                new += self._accept(pull, events, asked_at)
            except RedisFull:
                if len(events) < 2:
                    raise
                limit, is_full = len(events) // 2, True
                log.warning("Redis is nearly full, asking for fewer events limit=%d", limit)
                continue
            is_end = not page.has_more or page.last_id == cursor
            cursor = page.last_id
            # Only now: the events of the page are durable.
            pull = self._storage.feeds.note_page(pull, pull.cursor if reconcile else cursor, is_end)
            if is_end:
                break
        self._note_backlog(source)
        if new:
            log.info("pulled source=%s new=%d cursor=%d", source, new, cursor)
        return new

    def _note_backlog(self, source: str) -> None:
        """Store the size of the backlog. It is for monitoring only, so a failure is no error."""
        try:
            backlog = self._feed_of(source).backlog()
        except FeedError as error:
            log.debug("backlog not read source=%s error=%s", source, error)
        else:
            self._storage.feeds.note_backlog(source, backlog.events, backlog.age)

    def _parse(self, source: str, feed: OdooFeed, items: Sequence[Any]) -> list[Event]:
        """Return the events of a page. An invalid event is reported to Odoo and left out."""
        events: list[Event] = []
        failed: dict[EventName, str] = {}
        for item in items:
            try:
                events.append(parse_event(item, source))
            except InvalidEvent as error:
                event_id = item.get("id") if isinstance(item, dict) else None
                if not isinstance(event_id, int):
                    raise FeedError(f"Odoo's feed has an event without id: {error}") from error
                log.error(
                    "event not understood source=%s event=%d error=%s", source, event_id, error
                )
                name = EventName(event_id, _readable(item.get("timestamp")))
                failed[name] = f"not understood by the receiver: {error}"
        if failed:
            feed.mark_processed([], failed)
        return events

    def _accept(self, pull: Pull, events: Sequence[Event], asked_at: int) -> int:
        """Accept the events of a page; return how many were new."""
        if not events:
            return 0
        submission = Submission(pull.source, events, "pull", pull.token, asked_at)
        (result,) = self._acceptance.accept([submission])
        if isinstance(result, BridgecoreError):
            raise result
        return result.accepted


def _readable(timestamp: Any) -> str | None:
    """Return the timestamp of an event, or None if it cannot be read."""
    try:
        return exact_timestamp(timestamp)
    except ValueError:
        return None
