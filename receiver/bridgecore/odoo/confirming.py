"""Confirms events: sends the reports of a source to its Odoo."""

import logging
import time
from collections.abc import Callable

from bridgecore.errors import LeaseLost, UnknownSource
from bridgecore.handling.failures import summary_of
from bridgecore.odoo.feed import OdooFeed
from bridgecore.queue.messages import Messages
from bridgecore.storage import Storage
from bridgecore.storage.lease_keeper import LeaseKeeper
from bridgecore.storage.leases import Lease
from bridgecore.storage.reports import LEASE

log = logging.getLogger(__name__)

#: reports in one call of Odoo at most
BATCH = 500
#: Seconds after which a task sends a message for the remaining reports and ends. One process
#: confirms for all sources and pulls their feeds, so each must get its turn.
TURN = 2.0
#: seconds between two calls of Odoo, unless a whole batch waits
PAUSE = 0.1
#: characters of an error that Odoo gets; the whole traceback stays in Redis
SHORT_ERROR = 500


class Confirming:
    """Sends reports in order, in one process at a time per source.

    The first report is sent at once. Reports that come during a call of Odoo are sent with the next
    call, which waits `PAUSE` for more of them: a call costs as much as handling many events.
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
        """Send the reports of a source to Odoo, for one turn.

        If another process holds the lease for it, this does nothing.

        Raises:
            FeedError, QueueUnavailable: the remaining reports wait for a later call.
        """
        lease = self._storage.leases.acquire(source, LEASE)
        if lease is None:
            return
        end = time.monotonic() + TURN
        with self._keeper.hold(lease):
            try:
                while (remaining := self._send_batch(lease)) > 0:
                    if time.monotonic() > end:
                        self._storage.leases.release(lease)
                        self._messages.confirm(source)
                        break
                    if remaining < BATCH:
                        time.sleep(PAUSE)
            except LeaseLost:
                log.warning("lease lost source=%s name=%s", source, LEASE)
            except UnknownSource as error:  # the reports wait until it is configured again
                log.warning("not confirmed source=%s error=%s", source, error)
                self._storage.leases.release(lease)
            except BaseException:
                self._storage.leases.release(lease)
                raise

    def _send_batch(self, lease: Lease) -> int:
        """Send one batch of reports; return how many remain."""
        reports = self._storage.reports.first(lease.source, BATCH)
        done = [report.event for report in reports if report.error is None]
        failed = {
            report.event: summary_of(report.error)[:SHORT_ERROR]
            for report in reports
            if report.error is not None
        }
        if reports:
            unknown = self._feed_of(lease.source).mark_processed(done, failed)
            log.info(
                "confirmed source=%s done=%s failed=%s",
                *(lease.source, [event.id for event in done], [event.id for event in failed]),
            )
            if unknown:
                log.warning("events unknown to Odoo source=%s events=%s", lease.source, unknown)
        return self._storage.reports.confirm(lease, reports)
