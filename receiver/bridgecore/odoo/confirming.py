"""Tells a source what became of its events, in batches."""

import logging
import time
from collections.abc import Callable

from bridgecore.errors import LeaseLost
from bridgecore.odoo.feed import OdooFeed
from bridgecore.queue.messages import Messages
from bridgecore.storage import Storage
from bridgecore.storage.lease_keeper import LeaseKeeper
from bridgecore.storage.leases import Lease
from bridgecore.storage.reports import LEASE

log = logging.getLogger(__name__)

#: outcomes in one call
BATCH = 500
#: seconds after which the rest is left to another message: one process tells all sources, and
#: reads their feeds
TURN = 2.0
#: seconds between two calls, unless a whole batch is waiting
PAUSE = 0.1
#: characters of an error that Odoo shows; the whole traceback stays here
SHORT_ERROR = 500


class Confirming:
    """Sends the outcomes in their order, in one process at a time per source.

    A lone outcome goes at once. What is finished during a call goes with the next one, which waits
    a moment for more: a call costs Odoo and this process as much as handling many events.
    """

    def __init__(
        self,
        storage: Storage,
        messages: Messages,
        keeper: LeaseKeeper,
        feed_of: Callable[[str], OdooFeed],
    ) -> None:
        self._storage = storage
        self._messages = messages
        self._keeper = keeper
        self._feed_of = feed_of

    def confirm(self, source: str) -> None:
        """Tell what is to be told, for a turn. Nothing, if another process is doing it.

        Raises:
            FeedError, QueueUnavailable: the rest is told by a later call.
        """
        lease = self._storage.leases.acquire(source, LEASE)
        if lease is None:
            return
        end = time.monotonic() + TURN
        with self._keeper.hold(lease):
            try:
                while (left := self._batch(lease)) > 0:
                    if time.monotonic() > end:
                        self._storage.leases.release(lease)
                        self._messages.confirm(source)
                        break
                    if left < BATCH:
                        time.sleep(PAUSE)
            except LeaseLost:
                log.warning("lease lost source=%s name=%s", source, LEASE)
            except BaseException:
                self._storage.leases.release(lease)
                raise

    def _batch(self, lease: Lease) -> int:
        """Tell one batch; how many outcomes are left."""
        reports = self._storage.reports.first(lease.source, BATCH)
        done = [report.event_id for report in reports if report.error is None]
        failed = {r.event_id: _short(r.error) for r in reports if r.error is not None}
        if reports:
            unknown = self._feed_of(lease.source).mark_processed(done, failed)
            log.info("acknowledged source=%s done=%s failed=%s", lease.source, done, list(failed))
            if unknown:
                log.warning("unknown to Odoo source=%s events=%s", lease.source, unknown)
        return self._storage.reports.confirm(lease, reports)


def _short(traceback: str) -> str:
    """The last line of a traceback: the exception and its message."""
    return traceback.rstrip().rpartition("\n")[2][:SHORT_ERROR]
