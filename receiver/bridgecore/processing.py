"""Hands the waiting events of records to their handlers, each record's in order."""

import logging
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from bridgecore import backoff
from bridgecore.errors import LeaseLost, Unreadable, WorkerDied
from bridgecore.handlers import Registry
from bridgecore.lease_keeper import LeaseKeeper
from bridgecore.messages import DEFAULT, Messages, queue_of
from bridgecore.settings import Settings
from bridgecore.storage import Storage
from bridgecore.storage.figures import Tally
from bridgecore.storage.work import Outcome, Work

log = logging.getLogger(__name__)

#: seconds after which a task leaves the rest to another message: what has priority gets its turn,
#: and a worker that is told to end does not have to be killed
TURN = 2.0


class _Turn:
    """The records of one message that have not had their turn yet, when it ends, and what was done
    until then."""

    def __init__(self, records: Sequence[str]) -> None:
        self.waiting = deque(records)
        self.tally = Tally()
        self._end = time.monotonic() + TURN

    @property
    def next(self) -> str | None:
        return self.waiting[0] if self.waiting else None

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._end

    def took(self, work: Work) -> None:
        """Those before it are not due, or another worker has them."""
        while self.waiting and work.lease.name in self.waiting:
            self.waiting.popleft()


class Processing:
    """One event at a time; what became of it is stored before the next one begins."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        messages: Messages,
        registry: Registry,
        keeper: LeaseKeeper,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._messages = messages
        self._registry = registry
        self._keeper = keeper

    def process(self, source: str, records: Sequence[str], queue: str = DEFAULT) -> None:
        """Handle what is due of these records. A record that another worker has is left to it.

        Parameters:
            queue: for the message about what is left after a turn.
        """
        turn = _Turn(list(dict.fromkeys(records)))
        try:
            self._work_off(source, turn)
        finally:
            if turn.tally.counts:
                self._storage.figures.add(source, turn.tally)
        if turn.waiting:
            self._messages.process(source, list(turn.waiting), queue)

    def _work_off(self, source: str, turn: _Turn) -> None:
        while turn.waiting and not turn.is_over:
            work = self._storage.work.take(source, turn.waiting)
            if work is None:  # of those that wait none is due and free
                turn.waiting.clear()
            while work is not None:
                work = self._next(work, turn)

    def _next(self, work: Work, turn: _Turn) -> Work | None:
        turn.took(work)
        try:
            with self._keeper.hold(work.lease):
                return self._handle(work, turn)
        except LeaseLost:
            log.warning("lease lost source=%s record=%s", work.lease.source, work.lease.name)
            return None

    def _handle(self, work: Work, turn: _Turn) -> Work | None:
        """Handle one event and return the next one, if it may be handled now."""
        if work.unreadable:
            work = replace(work, attempt=self._settings.max_attempts)
            return self._failed(work, turn, [Unreadable()])
        if work.attempt > self._settings.max_attempts:
            # The end of the last attempt was never seen.
            return self._failed(work, turn, [WorkerDied()])
        if work.event.erases:
            self._erase(work)
        started = time.perf_counter()
        failures = self._run_handlers(work)
        seconds = time.perf_counter() - started
        if failures:
            return self._failed(work, turn, failures, seconds)
        log.debug("handled event=%s", work.event.idempotency_key)
        return self._end(work, turn, "done", seconds=seconds)

    def _erase(self, work: Work) -> None:
        source, record = work.lease.source, work.event.record
        blanked = self._storage.history.erase(source, record)
        log.info("erased record=%s events=%d", record, blanked)
        self._storage.audit.note(
            "receiver", "record.erased", source=source, record=record, events=blanked
        )

    def _run_handlers(self, work: Work) -> list[Exception]:
        """Run those that have not succeeded yet, also after one that fails."""
        matching = self._registry.matching(work.event.model, work.event.event)
        pending = [handler for handler in matching if handler.name not in work.handled]
        failures: list[Exception] = []
        for handler in pending:
            try:
                handler(work.event)
            except Exception as error:
                failures.append(error)
            else:
                # If all succeed, the end of the event says so for the last one.
                if failures or handler is not pending[-1]:
                    self._storage.work.handler_succeeded(work, handler.name)
        return failures

    def _failed(
        self, work: Work, turn: _Turn, failures: list[Exception], seconds: float = 0
    ) -> Work | None:
        event, attempt = work.event, work.attempt
        error = "\n".join(map(_describe, failures))
        facts = (event.idempotency_key, attempt, type(failures[0]).__name__)
        if attempt >= self._settings.max_attempts:
            log.error("dead event=%s attempt=%d error=%s", *facts)
            return self._end(work, turn, "dead", error, seconds)
        delay = backoff.delay(attempt, self._settings.retry_base, self._settings.retry_max)
        log.warning("failed event=%s attempt=%d error=%s retry_in=%.1f", *facts, delay)
        self._storage.work.postpone(work, delay, error)
        self._messages.process(work.lease.source, [event.record], queue_of(event), delay)
        return None

    def _end(
        self, work: Work, turn: _Turn, outcome: Outcome, error: str = "", seconds: float = 0
    ) -> Work | None:
        stop = turn.is_over
        finished = self._storage.work.finish(work, outcome, error, then=turn.next, stop=stop)
        turn.tally.handled(outcome, seconds, finished.latency)
        if stop:
            turn.waiting.appendleft(work.lease.name)
        if finished.report:
            self._messages.acknowledge(work.lease.source)
        return finished.following


def _describe(failure: Exception) -> str:
    try:
        return "".join(traceback.format_exception(failure))
    except Exception as error:  # what a foreign exception computes about itself may fail, too
        return f"{type(failure).__name__} (no traceback: {type(error).__name__})"
