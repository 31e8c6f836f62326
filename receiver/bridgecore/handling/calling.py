"""Calls the handlers for the events of a batch, one after the other."""

import logging
import time
from collections.abc import Callable, Sequence

from bridgecore import backoff
from bridgecore.config.settings import Settings
from bridgecore.errors import Unreadable, WorkerDied
from bridgecore.handling.call_watch import CallWatch
from bridgecore.handling.failures import Failure, error_text
from bridgecore.handling.registry import Handler, Registry
from bridgecore.storage import Storage
from bridgecore.storage.claimed_events import Batch, ClaimedEvent, Result
from bridgecore.storage.lease_keeper import LeaseKeeper
from bridgecore.storage.progress import Notes

log = logging.getLogger(__name__)

#: characters of the tracebacks of an event's failures that are stored
ERROR_LENGTH = 8000


class Caller:
    """Calls the handlers of each event of a batch, and notes their progress in Redis.

    Before it calls a handler, it notes that the one before has succeeded. So if the process is
    killed, only the handler that was running is called again.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        registry: Registry,
        keeper: LeaseKeeper,
        watch: CallWatch,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._registry = registry
        self._keeper = keeper
        self._watch = watch

    def call(self, batch: Batch, results: list[Result], is_over: Callable[[], bool]) -> None:
        """Handle the events of a batch, up to the end or until the batch must be settled.

        Parameters:
            results: an empty list, to which this method appends the result of each event. If a
                handler ends the process, the list has the results so far.
            is_over: tells whether the turn is over; called before each event but the first.

        Raises:
            SystemExit, KeyboardInterrupt: a handler ended the process, or a signal did. Before
                that, the other handlers of the event were called.
        """
        failed_records: set[str] = set()
        exits: list[BaseException] = []
        with self._storage.progress.open() as notes, self._keeper.hold() as held:
            for claimed in batch.events:
                if not self._may_continue(batch, claimed, results, is_over):
                    break
                if claimed.lease.name in failed_records:
                    continue
                pending = self._pending(claimed)
                if pending and results:
                    notes.add_attempt(claimed)
                    notes.send()
                    if notes.is_broken:
                        break
                held.lease = claimed.lease
                result = self._attempt(batch, claimed, pending, notes, exits)
                if result.outcome == "failed":
                    failed_records.add(claimed.lease.name)
                results.append(result)
                if exits:
                    raise exits[0]

    def _may_continue(
        self,
        batch: Batch,
        claimed: ClaimedEvent,
        results: Sequence[Result],
        is_over: Callable[[], bool],
    ) -> bool:
        """Return whether to handle this event now; if not, the batch must be settled first."""
        # `LeaseKeeper` extends a lease only while the event in hand needs it. When half a period
        # has passed before that, the rest of the batch goes back and is claimed anew.
        if batch.age > self._settings.lease / 2:
            return not results and self._storage.leases.extend(claimed.lease)
        # An event that erases personal data deletes the values in other events of its record. So it
        # is alone: the batch must not hold old copies of them.
        return not results or not (
            is_over() or claimed.event.is_erasure or results[-1].claimed.event.is_erasure
        )

    def _pending(self, claimed: ClaimedEvent) -> list[Handler]:
        """Return the handlers that have to be called for the event."""
        if (
            claimed.handled_at
            or claimed.unreadable
            or claimed.attempt > self._settings.max_attempts
        ):
            return []
        matching = self._registry.matching(claimed.event.model, claimed.event.event)
        return [handler for handler in matching if handler.name not in claimed.handled_by]

    def _attempt(
        self,
        batch: Batch,
        claimed: ClaimedEvent,
        pending: Sequence[Handler],
        notes: Notes,
        exits: list[BaseException],
    ) -> Result:
        """Call the pending handlers for an event and return its result.

        Parameters:
            exits: a list to which this method appends what a handler raised to end the process.
        """
        if claimed.handled_at:  # the handlers succeeded, but their worker died before it settled
            return Result(claimed, "done", claimed.handled_at)
        if claimed.unreadable:
            return self._failed(batch, claimed, [Failure(Unreadable())], is_last=True)
        if claimed.attempt > self._settings.max_attempts:
            # The last attempt has no result, because it killed its worker.
            return self._failed(batch, claimed, [Failure(WorkerDied())], is_last=True)
        is_last = claimed.attempt >= self._settings.max_attempts
        if claimed.event.is_erasure:
            try:
                self._erase(claimed)
            except Exception as error:
                return self._failed(batch, claimed, [Failure(error)], is_last)
        started = time.perf_counter()
        handled_by = list(claimed.handled_by)
        failures: list[Failure] = []
        for handler in pending:  # all of them, also if one fails
            notes.send()
            self._watch.begin(claimed.event, handler)
            try:
                handler(claimed.event)
            except BaseException as error:  # also `sys.exit`, or a library's own kind
                failures.append(Failure(error, handler))
                if isinstance(error, (SystemExit, KeyboardInterrupt)):
                    exits.append(error)
            else:
                handled_by.append(handler.name)
                if handler is not pending[-1]:
                    notes.add_success(claimed, handler.name)
        self._watch.end()
        seconds = time.perf_counter() - started
        if failures:
            return self._failed(batch, claimed, failures, is_last, handled_by, seconds)
        log.debug("handled event=%s", claimed.event.idempotency_key)
        result = Result(claimed, "done", batch.now, seconds=seconds)
        if pending:
            notes.add_handled(claimed, result.moment)
        return result

    def _erase(self, claimed: ClaimedEvent) -> None:
        """Delete the values in older events of the record."""
        source, record = claimed.lease.source, claimed.event.record
        blanked = self._storage.history.erase(claimed.event)
        log.info("erased record=%s events=%d", record, blanked)
        self._storage.audit.note(
            "receiver", "record.erased", source=source, record=record, events=blanked
        )

    def _failed(
        self,
        batch: Batch,
        claimed: ClaimedEvent,
        failures: Sequence[Failure],
        is_last: bool,
        handled_by: Sequence[str] = (),
        seconds: float = 0,
    ) -> Result:
        """Log the failures and return the result: dead after the last attempt, else failed."""
        error = error_text(failures, ERROR_LENGTH)
        key, attempt = claimed.event.idempotency_key, claimed.attempt
        if is_last:
            for failure in failures:
                log.error("dead event=%s attempt=%d %s", key, attempt, failure)
            return Result(claimed, "dead", batch.now, handled_by, error, seconds)
        settings = self._settings
        delay = backoff.delay(attempt, settings.retry_base, settings.retry_max)
        for failure in failures:
            log.warning("failed event=%s attempt=%d %s retry_in=%.1f", key, attempt, failure, delay)
        return Result(claimed, "failed", batch.now, handled_by, error, seconds, delay)
