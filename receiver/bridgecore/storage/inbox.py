"""Accepts events: queues the new ones and recognises the duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bridgecore.config.settings import Settings
from bridgecore.errors import QueueFull
from bridgecore.events import Event
from bridgecore.storage.connection import Connection

Via = Literal["push", "pull"]


@dataclass(frozen=True, slots=True)
class Submission:
    """Events of one source that the receiver accepts together or not at all."""

    source: str
    events: Sequence[Event]
    via: Via
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


class Inbox:
    """The inboxes of all records. An event is durable when `accept` has returned."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._settings = settings
        self._accept = connection.script("accept")

    def accept(self, submissions: Sequence[Submission]) -> list[Accepted | QueueFull]:
        """Queue the new events, each submission as a whole; return the answers in the same order.

        The answer is QueueFull if the submission has a new event and too many events wait.

        A duplicate of an event that is done or was given up is reported to Odoo again. But an event
        that was given up is queued again if Odoo's feed offers it after Odoo has got the report.
        """
        alike: dict[tuple[str, Via, int], list[int]] = {}
        for index, submission in enumerate(submissions):
            kind = (submission.source, submission.via, submission.asked_at)
            alike.setdefault(kind, []).append(index)
        limits = (self._settings.max_queue_depth, self._settings.max_stored_events)
        calls = []
        for (source, via, asked_at), indices in alike.items():
            arguments: list[Any] = [via, *limits, asked_at, len(indices)]
            for index in indices:
                events = submissions[index].events
                arguments.append(len(events))
                for event in events:
                    key = event.key
                    arguments += (key, event.record, event.event, committed_at(key), event.body)
            calls.append((source, arguments))
        accepted: dict[int, Accepted | QueueFull] = {}
        answers = self._accept.together(calls)
        for indices, (starts_reports, answered) in zip(alike.values(), answers, strict=True):
            for index, states in zip(indices, answered, strict=True):
                accepted[index] = (
                    QueueFull(retry_after=self._settings.retry_after)
                    if states == 0
                    else Accepted(states, bool(starts_reports))
                )
        return [accepted[index] for index in range(len(submissions))]


def committed_at(key: str) -> int:
    """Return when an event was committed, in microseconds since 1970; 0 if it was before."""
    try:
        return max(0, int(datetime.fromisoformat(key.partition("@")[2]).timestamp() * 1e6))
    except ValueError:  # a key without a valid timestamp belongs to no event
        return 0
