"""The way in: events that are noted and queued, or known already."""

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
    """Events of one source that are to be accepted together."""

    source: str
    events: Sequence[Event]
    via: Via
    #: when the feed was asked for them (`Connection.now`); 0: it was not
    asked_at: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submission: the state in which each of its events was found.

    That of an event which is not known is `new`, that of one which Odoo offers again `offered`.
    """

    states: Sequence[str]
    #: reporting has to be started
    report: bool


class Inbox:
    """Events are claimed before anybody is told that they are safe."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._settings = settings
        self._accept = connection.script("accept")

    def accept(self, submissions: Sequence[Submission]) -> list[Accepted | QueueFull]:
        """Queue the events that are new and note the repeats; each submission wholly or not.

        A repeat of a handled event puts its outcome on the list of reports again; one that was
        given up is queued again if Odoo still has it in its feed after it was told so.
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
                    arguments += (key, event.record, event.event, moment(key), event.body)
            calls.append((source, arguments))
        accepted: dict[int, Accepted | QueueFull] = {}
        answers = self._accept.together(calls)
        for indices, (report, found) in zip(alike.values(), answers, strict=True):
            for index, states in zip(indices, found, strict=True):
                accepted[index] = (
                    QueueFull(retry_after=self._settings.retry_after)
                    if states == 0
                    else Accepted(states, bool(report))
                )
        return [accepted[index] for index in range(len(submissions))]


def moment(key: str) -> int:
    """When an event was committed, in microseconds since 1970; what is older counts as that."""
    try:
        return max(0, int(datetime.fromisoformat(key.partition("@")[2]).timestamp() * 1e6))
    except ValueError:  # no such moment, so no such event either
        return 0
