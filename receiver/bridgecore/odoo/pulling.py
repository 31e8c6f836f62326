"""Reads a source's feed into the pipeline."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from bridgecore.accepting.acceptance import Acceptance
from bridgecore.config.settings import Settings
from bridgecore.errors import BridgecoreError, FeedError, InvalidEvent
from bridgecore.events import Event, parse_event
from bridgecore.odoo.feed import OdooFeed
from bridgecore.storage import Storage
from bridgecore.storage.inbox import Submission
from bridgecore.storage.lease_keeper import LeaseKeeper

log = logging.getLogger(__name__)

LEASE = "sync"


class Pulling:
    """Pulls one page after the other, in one process at a time per source."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        acceptance: Acceptance,
        keeper: LeaseKeeper,
        feed_of: Callable[[str], OdooFeed],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._acceptance = acceptance
        self._keeper = keeper
        self._feed_of = feed_of

    def pull(self, source: str, reconcile: bool = False) -> int | None:
        """Accept what the feed has after the cursor; how many events were new.

        None: another process is pulling this source already.

        Only unconfirmed events are asked for: a receiver that lost its cursor must not handle
        the whole history again.

        Parameters:
            reconcile: start at the beginning of the feed instead of the cursor, so that all
                that was accepted but never confirmed comes again.

        Raises:
            FeedError, QueueFull, QueueUnavailable: the pages before are safe, and the cursor
                stands after them.
        """
        lease = self._storage.leases.acquire(source, LEASE)
        if lease is None:
            return None
        with self._keeper.hold(lease):
            try:
                return self._pull_all(source, reconcile)
            finally:
                self._storage.leases.release(lease)

    def _pull_all(self, source: str, reconcile: bool) -> int:
        cursor = 0 if reconcile else self._storage.feeds.cursor(source)
        new = 0
        while True:
            feed = self._feed_of(source)
            asked_at = self._storage.now()
            page = feed.pull(cursor, self._settings.pull_page_size, include_processed=False)
            if page.cursor_expired:
                if cursor == 0:
                    raise FeedError("Odoo's feed calls a cursor of 0 expired.")
                log.warning("cursor expired source=%s cursor=%d: reading all again", source, cursor)
                cursor, reconcile = 0, False
                continue
            events = self._parse(source, feed, page.events)
            new += self._accept(source, events, asked_at)
            # Only now is the page safe.
            if not reconcile and page.last_id != cursor:
                self._storage.feeds.set_cursor(source, page.last_id)
            if not page.has_more or page.last_id == cursor:
                break
            cursor = page.last_id
        self._storage.feeds.read_to_its_end(source)
        self._note_backlog(source)
        if new:
            log.info("pulled source=%s new=%d cursor=%d", source, new, cursor)
        return new

    def _note_backlog(self, source: str) -> None:
        """For monitoring only, so nothing else fails if it does."""
        try:
            backlog = self._feed_of(source).backlog()
        except FeedError as error:
            log.debug("backlog not known source=%s error=%s", source, error)
        else:
            self._storage.feeds.note_backlog(source, backlog.events, backlog.age)

    def _parse(self, source: str, feed: OdooFeed, items: Sequence[Any]) -> list[Event]:
        """The events of a page. One that is not understood is reported, and holds up no other."""
        events: list[Event] = []
        failed: dict[int, str] = {}
        for item in items:
            try:
                events.append(parse_event(item, source))
            except InvalidEvent as error:
                event_id = item.get("id") if isinstance(item, dict) else None
                if not isinstance(event_id, int):
                    raise FeedError(f"Odoo's feed has an event without id: {error}") from error
                log.error("not understood source=%s event=%d error=%s", source, event_id, error)
                failed[event_id] = f"not understood by the receiver: {error}"
        if failed:
            feed.mark_processed([], failed)
        return events

    def _accept(self, source: str, events: Sequence[Event], asked_at: int) -> int:
        if not events:
            return 0
        (result,) = self._acceptance.accept([Submission(source, events, "pull", asked_at)])
        if isinstance(result, BridgecoreError):
            raise result
        return result.accepted
