"""Accepts events: queues the new ones and recognises the duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bridgecore.config.settings import Settings
from bridgecore.errors import BridgecoreError, CatchingUp, QueueFull, RedisFull, StateLost
from bridgecore.events import Event
from bridgecore.storage.connection import Connection

Via = Literal["push", "pull"]

#: seconds after which a sender may repeat a push that came before the feed was read
CATCH_UP_PAUSE = 2


@dataclass(frozen=True, slots=True)
class Submission:
    """Events of one source that the receiver accepts together or not at all."""

    source: str
    events: Sequence[Event]
    via: Via
    #: token of the pull that brought them; empty for a push
    pull: str = ""
    #: Redis' time in microseconds at which the feed was asked for them; 0 for a push
    asked_at: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission that was accepted."""

    #: The state of each event before: `new` if the receiver did not know it, `offered` if Odoo
    #: offers it again, else one of the states of `bridgecore.storage`.
    states: Sequence[str]
    #: The list of reports was empty and has reports now: the caller must send the message to
    #: confirm.
    starts_reports: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to a submission with new events that was refused."""

    #: QueueFull: too many events wait. CatchingUp: the feed must be read before a push is
    #: accepted. RedisFull: there is no memory for it. StateLost: Redis has lost the pages before.
    error: BridgecoreError
    #: nobody has been asked to read the feed yet: the caller must send the message to pull
    starts_pull: bool


class Inbox:
    """The inboxes of all records. An event is durable when `accept` has returned."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._settings = settings
        self._accept = connection.script("accept")

    def accept(
        self, submissions: Sequence[Submission], has_room: bool = True
    ) -> list[Accepted | Refused]:
        """Queue the new events, each submission as a whole; return the answers in the same order.

        A duplicate of an event that is done or was given up is reported to Odoo again. But an event
        that was given up is queued again if Odoo's feed offers it after Odoo has got the report.
        """
        alike: dict[tuple[str, Via, str, int], list[int]] = {}
        for index, submission in enumerate(submissions):
            kind = (submission.source, submission.via, submission.pull, submission.asked_at)
            alike.setdefault(kind, []).append(index)
        limits = (
            self._settings.max_queue_depth,
            self._settings.max_stored_events,
            int(self._settings.catch_up_timeout * 1e6),
            int(has_room),
        )
        calls = []
        for (source, via, pull, asked_at), indices in alike.items():
            arguments: list[Any] = [via, *limits, pull, asked_at, len(indices)]
            for index in indices:
                events = submissions[index].events
                arguments.append(len(events))
                for event in events:
                    key = event.key
                    arguments += (key, event.record, event.event, committed_at(key), event.body)
            calls.append((source, arguments))
        answers: dict[int, Accepted | Refused] = {}
        for indices, answer in zip(alike.values(), self._accept.together(calls), strict=True):
            starts_reports, starts_pull, answered = answer
            for index, states in zip(indices, answered, strict=True):
                if isinstance(states, int):
                    error = self._error(states, submissions[index])
                    answers[index] = Refused(error, bool(starts_pull))
                else:
                    answers[index] = Accepted(states, bool(starts_reports))
        return [answers[index] for index in range(len(submissions))]

    def _error(self, refusal: int, submission: Submission) -> BridgecoreError:
        if refusal == 0:
            return QueueFull(retry_after=self._settings.retry_after)
        if refusal == 2:
            return RedisFull(retry_after=self._settings.retry_after)
        return StateLost() if submission.pull else CatchingUp(retry_after=CATCH_UP_PAUSE)


def committed_at(key: str) -> int:
    """Return when an event was committed, in microseconds since 1970; 0 if it was before."""
    try:
        return max(0, int(datetime.fromisoformat(key.partition("@")[2]).timestamp() * 1e6))
    except ValueError:  # a key without a valid timestamp belongs to no event
        return 0
