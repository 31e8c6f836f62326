"""From accepted to handled: the way that every event takes, pushed or pulled."""

import logging
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from redis.exceptions import RedisError

from bridgecore import backoff
from bridgecore.errors import (
    BridgecoreError,
    LeaseLost,
    QueueFull,
    QueueUnavailable,
    Unreadable,
    WorkerDied,
)
from bridgecore.events import Event
from bridgecore.handlers import Registry
from bridgecore.leases import LeaseKeeper
from bridgecore.messages import DEFAULT, HIGH, Messages
from bridgecore.settings import Settings
from bridgecore.storage import Claim, Outcome, Storage, Submission, Work

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many events of a submission were new, and how many were known already."""

    accepted: int
    duplicates: int


class Acceptance:
    """Takes events in: durable first, then a message for the workers."""

    def __init__(self, settings: Settings, storage: Storage, messages: Messages) -> None:
        self._settings = settings
        self._storage = storage
        self._messages = messages

    def accept(self, submissions: Sequence[Submission]) -> list[Receipt | BridgecoreError]:
        """Queue the events of each submission; what became of it, in the same order.

        If messages cannot be sent after the events were stored, the answer is
        QueueUnavailable: whoever repeats the submission then sends them.

        Raises:
            QueueUnavailable: Redis is away; none or all of the events were stored.
        """
        try:
            claims = self._storage.claim(submissions)
        except RedisError as error:
            raise self._unavailable(error) from error
        results: list[Receipt | BridgecoreError] = []
        queued: dict[tuple[str, str], set[str]] = {}
        report = set()
        for submission, claim in zip(submissions, claims, strict=True):
            if isinstance(claim, QueueFull):
                results.append(claim)
                continue
            new = sum(state == "new" for state in claim.states)
            for event, state in zip(submission.events, claim.states, strict=True):
                if state == "offered":
                    log.info("offered again event=%s", event.idempotency_key)
            results.append(Receipt(new, len(claim.states) - new))
            for queue, record in _to_wake(submission, claim):
                queued.setdefault((submission.source, queue), set()).add(record)
            if claim.report:
                report.add(submission.source)
        try:
            for (source, queue), records in queued.items():
                self._messages.process(source, sorted(records), queue)
            for source in report:
                self._messages.acknowledge(source)
        except QueueUnavailable as error:
            raise self._unavailable(error) from error
        return results

    def _unavailable(self, error: Exception) -> QueueUnavailable:
        log.error("events cannot be queued error=%s: %s", type(error).__name__, error)
        return QueueUnavailable(retry_after=self._settings.retry_after)


def _to_wake(submission: Submission, claim: Claim) -> Iterable[tuple[str, str]]:
    for event, state in zip(submission.events, claim.states, strict=True):
        # A repeat of a queued event wakes it: its first message may never have been sent.
        if state in ("new", "queued", "offered"):
            yield _queue(event), event.record


class Processing:
    """Hands the waiting events of records to their handlers, each record's in order."""

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

    def process(self, source: str, records: Iterable[str]) -> None:
        """Handle what is due of these records. A record that another worker has is left to it."""
        for record in records:
            work = self._storage.take(source, record)
            if work is None:
                continue
            with self._keeper.hold(work.lease):
                try:
                    while work is not None:
                        work = self._handle(work)
                except LeaseLost:
                    log.warning("lease lost source=%s record=%s", source, record)

    def _handle(self, work: Work) -> Work | None:
        """Handle one event and return the record's next one, if it may be handled now."""
        if work.unreadable:
            return self._failed(replace(work, attempt=self._settings.max_attempts), [Unreadable()])
        if work.attempt > self._settings.max_attempts:
            # The end of the last attempt was never seen.
            return self._failed(work, [WorkerDied()])
        if work.event.erases:
            blanked = self._storage.erase(work.lease.source, work.event.record)
            log.info("erased record=%s events=%d", work.event.record, blanked)
        failures = self._run_handlers(work)
        if failures:
            return self._failed(work, failures)
        log.debug("handled event=%s", work.event.idempotency_key)
        return self._end(work, "done")

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
                    self._storage.handler_succeeded(work, handler.name)
        return failures

    def _failed(self, work: Work, failures: list[Exception]) -> Work | None:
        event, attempt = work.event, work.attempt
        error = "\n".join(map(_describe, failures))
        facts = (event.idempotency_key, attempt, type(failures[0]).__name__)
        if attempt >= self._settings.max_attempts:
            log.error("dead event=%s attempt=%d error=%s", *facts)
            return self._end(work, "dead", error)
        delay = backoff.delay(attempt, self._settings.retry_base, self._settings.retry_max)
        log.warning("failed event=%s attempt=%d error=%s retry_in=%.1f", *facts, delay)
        self._storage.postpone(work, delay, error)
        self._messages.process(work.lease.source, [event.record], _queue(event), delay)
        return None

    def _end(self, work: Work, outcome: Outcome, error: str = "") -> Work | None:
        following, report = self._storage.finish(work, outcome, error)
        if report:
            self._messages.acknowledge(work.lease.source)
        return following


def _describe(failure: Exception) -> str:
    try:
        return "".join(traceback.format_exception(failure))
    except Exception as error:  # what a foreign exception computes about itself may fail, too
        return f"{type(failure).__name__} (no traceback: {type(error).__name__})"


def _queue(event: Event) -> str:
    return HIGH if event.priority == "high" else DEFAULT
