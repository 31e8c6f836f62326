"""Calls the handlers for the events of a batch, one after the other."""

import logging
import time
from asyncio import CancelledError
from collections.abc import Callable, Sequence

from bridgecore import backoff
from bridgecore.config.settings import Settings
from bridgecore.errors import Unreadable, WorkerDied
from bridgecore.handling.failures import Failure
from bridgecore.handling.registry import Handler, Registry
from bridgecore.storage import Storage
from bridgecore.storage.claimed import Batch, ClaimedEvent, Result
from bridgecore.storage.lease_keeper import LeaseKeeper
from bridgecore.storage.progress import Notes

log = logging.getLogger(__name__)


class Caller:
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

    def call(self, batch: Batch, results: list[Result], is_over: Callable[[], bool]) -> None:
        """Handle its events until the end, or until the batch has to be settled before that.

        Parameters:
            results: gets what became of them, also if a handler ends the process.
            is_over: asked before each event but the first.
        """
        held_up: set[str] = set()
        with self._storage.progress.open() as notes, self._keeper.hold() as held:
            for claimed in batch.events:
                if not self._may_begin(batch, claimed, results, is_over):
                    break
                if claimed.lease.name in held_up:
                    continue
                pending = self._pending(claimed)
                if pending and results:
                    notes.begins(claimed)
                    notes.send()
                    if notes.is_broken:
                        break
                held.lease = claimed.lease
                result = self._attempt(batch, claimed, pending, notes)
                if result.outcome == "failed":
                    held_up.add(claimed.lease.name)
                results.append(result)

    def _may_begin(
        self,
        batch: Batch,
        claimed: ClaimedEvent,
        results: Sequence[Result],
        is_over: Callable[[], bool],
    ) -> bool:
        """Whether the batch need not be settled before that."""
        # A lease is extended only while its record is worked on, three times per period. When much
        # of it has passed before that, the rest of the batch is better taken anew.
        if batch.age > self._settings.lease / 2:
            return not results and self._storage.leases.extend(claimed.lease)
        # What erases a record's data blanks its other events: none of them may be in hand.
        return not results or not (
            is_over() or claimed.event.erases or results[-1].claimed.event.erases
        )

    def _pending(self, claimed: ClaimedEvent) -> list[Handler]:
        """Those that have not succeeded yet."""
        if (
            claimed.handled_at
            or claimed.unreadable
            or claimed.attempt > self._settings.max_attempts
        ):
            return []
        matching = self._registry.matching(claimed.event.model, claimed.event.event)
        return [handler for handler in matching if handler.name not in claimed.handled_by]

    def _attempt(
        self, batch: Batch, claimed: ClaimedEvent, pending: Sequence[Handler], notes: Notes
    ) -> Result:
        if claimed.handled_at:  # a worker died before it could settle that
            return Result(claimed, "done", claimed.handled_at)
        if claimed.unreadable:
            return self._failed(batch, claimed, [Failure(Unreadable())], is_last=True)
        if claimed.attempt > self._settings.max_attempts:
            # The end of the last attempt was never seen.
            return self._failed(batch, claimed, [Failure(WorkerDied())], is_last=True)
        is_last = claimed.attempt >= self._settings.max_attempts
        if claimed.event.erases:
            try:
                self._erase(claimed)
            except Exception as error:
                return self._failed(batch, claimed, [Failure(error)], is_last)
        started = time.perf_counter()
        handled_by = list(claimed.handled_by)
        failures: list[Failure] = []
        for handler in pending:  # also after one that fails
            notes.send()
            try:
                handler(claimed.event)
            except (Exception, CancelledError) as error:  # what it waited for was cancelled
                failures.append(Failure(error, handler))
            else:
                handled_by.append(handler.name)
                if handler is not pending[-1]:
                    notes.succeeded(claimed, handler.name)
        seconds = time.perf_counter() - started
        if failures:
            return self._failed(batch, claimed, failures, is_last, handled_by, seconds)
        log.debug("handled event=%s", claimed.event.idempotency_key)
        result = Result(claimed, "done", batch.now, seconds=seconds)
        if pending:
            notes.handled(claimed, result.moment)
        return result

    def _erase(self, claimed: ClaimedEvent) -> None:
        source, record = claimed.lease.source, claimed.event.record
        blanked = self._storage.history.erase(source, record, claimed.event.timestamp)
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
        error = "\n".join(failure.traceback for failure in failures)
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
