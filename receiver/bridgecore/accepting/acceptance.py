"""Takes events in: durable first, then a message for the workers."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from bridgecore.config.settings import Settings
from bridgecore.errors import BridgecoreError, QueueFull, QueueUnavailable
from bridgecore.queue.messages import Messages, queue_of
from bridgecore.storage import Storage
from bridgecore.storage.inbox import Accepted, Submission

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many events of a submission were new, and how many were known already."""

    accepted: int
    duplicates: int


class Acceptance:
    """The way in, for pushed and for pulled events."""

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
            accepted = self._storage.inbox.accept(submissions)
        except RedisError as error:
            raise self._unavailable(error) from error
        results: list[Receipt | BridgecoreError] = []
        queued: dict[tuple[str, str], dict[str, None]] = {}  # in the order of arrival
        report = set()
        for submission, answer in zip(submissions, accepted, strict=True):
            if isinstance(answer, QueueFull):
                results.append(answer)
                continue
            new = sum(state == "new" for state in answer.states)
            for event, state in zip(submission.events, answer.states, strict=True):
                if state == "offered":
                    log.info("offered again event=%s", event.idempotency_key)
            results.append(Receipt(new, len(answer.states) - new))
            for queue, record in _to_wake(submission, answer):
                queued.setdefault((submission.source, queue), {})[record] = None
            if answer.report:
                report.add(submission.source)
        try:
            for (source, queue), records in queued.items():
                self._messages.handle(source, list(records), queue)
            for source in report:
                self._messages.confirm(source)
        except QueueUnavailable as error:
            raise self._unavailable(error) from error
        return results

    def _unavailable(self, error: Exception) -> QueueUnavailable:
        log.error("events cannot be queued error=%s: %s", type(error).__name__, error)
        return QueueUnavailable(retry_after=self._settings.retry_after)


def _to_wake(submission: Submission, answer: Accepted) -> Iterable[tuple[str, str]]:
    for event, state in zip(submission.events, answer.states, strict=True):
        # A repeat of a queued event wakes it: its first message may never have been sent.
        if state in ("new", "queued", "offered"):
            yield queue_of(event), event.record
