"""Accepts events: stores them durably, then sends messages to the workers."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.exceptions import OutOfMemoryError, RedisError

from bridgecore.config.settings import Settings
from bridgecore.errors import BridgecoreError, QueueUnavailable, RedisFull
from bridgecore.queue.messages import Messages, queue_of
from bridgecore.storage import Storage
from bridgecore.storage.inbox import Accepted, Refused, Submission

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many events of a submission were new, and how many were duplicates."""

    accepted: int
    duplicates: int


class Acceptance:
    """Accepts pushed and pulled events."""

    def __init__(self, settings: Settings, storage: Storage, messages: Messages) -> None:
        self._settings = settings
        self._storage = storage
        self._messages = messages

    def accept(self, submissions: Sequence[Submission]) -> list[Receipt | BridgecoreError]:
        """Queue the events of each submission; return its receipt, or why it was refused.

        The answers are in the order of the submissions.

        Raises:
            QueueUnavailable: Redis or the broker is away. Of each submission, none or all events
                were stored. If the sender submits it again, the missing messages are sent.
        """
        try:
            accepted = self._storage.inbox.accept(submissions, self._has_room(submissions))
        except RedisError as error:
            raise self._unavailable(error) from error
        results: list[Receipt | BridgecoreError] = []
        queued: dict[tuple[str, str], dict[str, None]] = {}  # in the order of arrival
        to_confirm, to_pull = set(), set()
        for submission, answer in zip(submissions, accepted, strict=True):
            if isinstance(answer, Refused):
                results.append(answer.error)
                if answer.starts_pull:
                    to_pull.add(submission.source)
                continue
            new = sum(state == "new" for state in answer.states)
            for event, state in zip(submission.events, answer.states, strict=True):
                if state == "offered":
                    log.info("offered again event=%s", event.idempotency_key)
            results.append(Receipt(new, len(answer.states) - new))
            for queue, record in _needed_messages(submission, answer):
                queued.setdefault((submission.source, queue), {})[record] = None
            if answer.starts_reports:
                to_confirm.add(submission.source)
        try:
            for (source, queue), records in queued.items():
                self._messages.handle(source, list(records), queue)
            for source in to_confirm:
                self._messages.confirm(source)
            for source in to_pull:
                log.info("reading the feed before pushes are accepted source=%s", source)
                self._messages.pull(source)
        except QueueUnavailable as error:
            raise self._unavailable(error) from error
        return results

    def _has_room(self, submissions: Sequence[Submission]) -> bool:
        """Return whether Redis has memory for these events, and some left.

        If it has too little, what is only kept for reading is forgotten earlier than the settings
        say, until there is room for a while.
        """
        memory = self._storage.memory
        size = sum(len(event.body) for submission in submissions for event in submission.events)
        if not memory.is_short() and memory.has_room(size):
            return True
        forgotten = 0
        for source in self._settings.sources_by_id:
            entries = 1
            while entries and not memory.is_relaxed():
                entries = self._storage.retention.make_room(source)
                forgotten += entries
                memory.measure()
        if forgotten:
            log.warning("Redis is nearly full, forgotten early entries=%d", forgotten)
        return memory.has_room(size)

    def _unavailable(self, error: Exception) -> QueueUnavailable:
        log.error("events not queued error=%s: %s", type(error).__name__, error)
        kind = RedisFull if isinstance(error, OutOfMemoryError) else QueueUnavailable
        return kind(retry_after=self._settings.retry_after)


def _needed_messages(submission: Submission, answer: Accepted) -> Iterable[tuple[str, str]]:
    """Yield queue and record of each message to be sent."""
    for event, state in zip(submission.events, answer.states, strict=True):
        # Also for a duplicate of a queued event: its first message may have got lost.
        if state in ("new", "queued", "offered"):
            yield queue_of(event), event.record
