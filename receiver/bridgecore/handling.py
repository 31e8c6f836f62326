"""Calls the handlers for the events of a batch, one after the other."""

import logging
import time
from asyncio import CancelledError
from collections.abc import Callable, Sequence

from bridgecore import backoff
from bridgecore.errors import Unreadable, WorkerDied
from bridgecore.failures import Failure
from bridgecore.handlers import Handler, Registry
from bridgecore.lease_keeper import LeaseKeeper
from bridgecore.settings import Settings
from bridgecore.storage import Storage
from bridgecore.storage.marks import Line
from bridgecore.storage.work import Batch, End, Work

log = logging.getLogger(__name__)


class Handling:
    """Before a handler is called, Redis is told that the one before it has succeeded. So a process
    that is killed has one handler in hand, and the others of its batch are not called again.
    """

    def __init__(
        self, settings: Settings, storage: Storage, registry: Registry, keeper: LeaseKeeper
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._registry = registry
        self._keeper = keeper

    def handle(self, batch: Batch, ends: list[End], is_over: Callable[[], bool]) -> None:
        """Handle its events until the end, or until the batch has to be settled before that.

        Parameters:
            ends: gets what became of them, also if a handler ends the process.
            is_over: asked before each event but the first.
        """
        held_up: set[str] = set()
        with self._storage.marks.open() as line, self._keeper.hold() as hand:
            for work in batch.works:
                if not self._may_begin(batch, work, ends, is_over):
                    break
                if work.lease.name in held_up:
                    continue
                pending = self._pending(work)
                if pending and ends:
                    line.begins(work)
                    line.send()
                    if line.is_broken:
                        break
                hand.lease = work.lease
                end = self._attempt(batch, work, pending, line)
                if end.outcome == "failed":
                    held_up.add(work.lease.name)
                ends.append(end)

    def _may_begin(
        self, batch: Batch, work: Work, ends: Sequence[End], is_over: Callable[[], bool]
    ) -> bool:
        """Whether the batch need not be settled before that."""
        # A lease is extended only while its record is worked on, three times per period. When much
        # of it has passed before that, the rest of the batch is better taken anew.
        if batch.age > self._settings.lease / 2:
            return not ends and self._storage.leases.extend(work.lease)
        # What erases a record's data blanks its other events: none of them may be in hand.
        return not ends or not (is_over() or work.event.erases or ends[-1].work.event.erases)

    def _pending(self, work: Work) -> list[Handler]:
        """Those that have not succeeded yet."""
        if work.handled_at or work.unreadable or work.attempt > self._settings.max_attempts:
            return []
        matching = self._registry.matching(work.event.model, work.event.event)
        return [handler for handler in matching if handler.name not in work.handled_by]

    def _attempt(self, batch: Batch, work: Work, pending: Sequence[Handler], line: Line) -> End:
        if work.handled_at:  # a worker died before it could settle that
            return End(work, "done", work.handled_at)
        if work.unreadable:
            return self._failed(batch, work, [Failure(Unreadable())], is_last=True)
        if work.attempt > self._settings.max_attempts:
            # The end of the last attempt was never seen.
            return self._failed(batch, work, [Failure(WorkerDied())], is_last=True)
        is_last = work.attempt >= self._settings.max_attempts
        if work.event.erases:
            try:
                self._erase(work)
            except Exception as error:
                return self._failed(batch, work, [Failure(error)], is_last)
        started = time.perf_counter()
        handled_by = list(work.handled_by)
        failures: list[Failure] = []
        for handler in pending:  # also after one that fails
            line.send()
            try:
                handler(work.event)
            except (Exception, CancelledError) as error:  # what it waited for was cancelled
                failures.append(Failure(error, handler))
            else:
                handled_by.append(handler.name)
                if handler is not pending[-1]:
                    line.succeeded(work, handler.name)
        seconds = time.perf_counter() - started
        if failures:
            return self._failed(batch, work, failures, is_last, handled_by, seconds)
        log.debug("handled event=%s", work.event.idempotency_key)
        end = End(work, "done", batch.now, seconds=seconds)
        if pending:
            line.handled(work, end.moment)
        return end

    def _erase(self, work: Work) -> None:
        source, record = work.lease.source, work.event.record
        blanked = self._storage.history.erase(source, record, work.event.timestamp)
        log.info("erased record=%s events=%d", record, blanked)
        self._storage.audit.note(
            "receiver", "record.erased", source=source, record=record, events=blanked
        )

    def _failed(
        self,
        batch: Batch,
        work: Work,
        failures: Sequence[Failure],
        is_last: bool,
        handled_by: Sequence[str] = (),
        seconds: float = 0,
    ) -> End:
        error = "\n".join(failure.traceback for failure in failures)
        key, attempt = work.event.idempotency_key, work.attempt
        if is_last:
            for failure in failures:
                log.error("dead event=%s attempt=%d %s", key, attempt, failure)
            return End(work, "dead", batch.now, handled_by, error, seconds)
        settings = self._settings
        delay = backoff.delay(attempt, settings.retry_base, settings.retry_max)
        for failure in failures:
            log.warning("failed event=%s attempt=%d %s retry_in=%.1f", key, attempt, failure, delay)
        return End(work, "failed", batch.now, handled_by, error, seconds, delay)
