"""Events on their way to their handlers: queued, taken, ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from pydantic import ValidationError

from bridgecore.errors import LeaseLost, QueueFull
from bridgecore.events import Event
from bridgecore.settings import Settings
from bridgecore.storage.connection import Connection, prefix
from bridgecore.storage.leases import Lease

Via = Literal["push", "pull"]
Outcome = Literal["done", "dead"]

#: characters of a traceback that are kept; its end says most
ERROR_LENGTH = 8000
HANDLER_PREFIX = "handler:"


@dataclass(frozen=True, slots=True)
class Submission:
    """Events of one source that are to be accepted together."""

    source: str
    events: Sequence[Event]
    via: Via
    #: when the feed was asked for them (`Connection.now`); 0: it was not
    asked_at: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of a submission: the state in which each of its events was found.

    That of an event which is not known is `new`, that of one which Odoo offers again `offered`.
    """

    states: Sequence[str]
    #: reporting has to be started
    report: bool


@dataclass(frozen=True, slots=True)
class Work:
    """The first waiting event of a record that was taken."""

    lease: Lease
    event: Event
    #: how often it was taken, this time included
    attempt: int
    #: names of the handlers that already succeeded
    handled: frozenset[str]
    #: Redis' time in microseconds
    accepted_at: int
    #: the event is there in name only
    unreadable: bool = False


class Finished(NamedTuple):
    """An event has come to its end."""

    #: what to do next
    following: Work | None
    #: reporting has to be started
    report: bool
    #: seconds since it was accepted
    latency: float


class WorkStore:
    """Every change of an event's state is one script, so that a crash leaves all or nothing."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._redis = connection.redis
        self._settings = settings
        self._lease_ms = int(settings.lease * 1000)
        self._claim = connection.script("claim")
        self._take = connection.script("take")
        self._finish = connection.script("finish")
        self._postpone = connection.script("postpone")
        self._stalled = connection.script("stalled")

    def claim(self, submissions: Sequence[Submission]) -> list[Claim | QueueFull]:
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
        claims: dict[int, Claim | QueueFull] = {}
        answers = self._claim.together(calls)
        for indices, (report, found) in zip(alike.values(), answers, strict=True):
            for index, states in zip(indices, found, strict=True):
                claims[index] = (
                    QueueFull(retry_after=self._settings.retry_after)
                    if states == 0
                    else Claim(states, bool(report))
                )
        return [claims[index] for index in range(len(submissions))]

    def take(self, source: str, records: Sequence[str]) -> Work | None:
        """Take the first of these records that has an event due and no other worker."""
        token = uuid4().hex
        return _work(source, token, self._take(source, token, self._lease_ms, *records))

    def handler_succeeded(self, work: Work, handler: str) -> None:
        """Remember that this handler must not get this event again."""
        key = f"{prefix(work.lease.source)}:event:{work.event.key}"
        self._redis.hset(key, HANDLER_PREFIX + handler, "1")

    def finish(
        self,
        work: Work,
        outcome: Outcome,
        error: str = "",
        *,
        then: str | None = None,
        stop: bool = False,
    ) -> Finished:
        """End an event and take the record's next one, else the first one of the record `then`.

        Parameters:
            stop: give the record back, whatever still waits, and take nothing.

        Raises:
            LeaseLost
        """
        event, lease = work.event, work.lease
        arguments: list[Any] = [lease.name, lease.token, event.key, outcome, _storable(error)]
        arguments += [event.model, event.event, event.event_id, event.timestamp]
        arguments += [self._lease_ms, "stop" if stop else "", then or ""]
        arguments.append(self._settings.max_streamed_events)
        for field, value in event.payload.items():
            arguments += (field, json.dumps(value))
        result = self._finish(lease.source, *arguments)
        if result is None:
            raise LeaseLost
        handled_at, report, following = result
        return Finished(
            _work(lease.source, lease.token, following),
            bool(report),
            (int(handled_at) - work.accepted_at) / 1e6,
        )

    def postpone(self, work: Work, delay: float, error: str) -> None:
        """Give a record back after a failed attempt, to be taken again in `delay` seconds.

        Raises:
            LeaseLost
        """
        lease = work.lease
        arguments = (lease.name, lease.token, work.event.key, int(delay * 1e6), _storable(error))
        if not self._postpone(lease.source, *arguments):
            raise LeaseLost

    def stalled(self, source: str, limit: int) -> list[str]:
        """Records whose message must have been lost; each is named once per lease period."""
        records: list[str] = self._stalled(source, int(self._settings.lease * 1e6), limit)
        return records


def moment(key: str) -> int:
    """When an event was committed, in microseconds since 1970; what is older counts as that."""
    try:
        return max(0, int(datetime.fromisoformat(key.partition("@")[2]).timestamp() * 1e6))
    except ValueError:  # no such moment, so no such event either
        return 0


def placeholder(source: str, key: str, record: str, name: str) -> Event:
    """What is known of an event without its content."""
    event_id, _, timestamp = key.partition("@")
    model, _, record_id = record.partition(":")
    return Event.model_validate(
        {
            "event_id": int(event_id),
            "source": source,
            "model": model,
            "record_id": int(record_id),
            "event": name,
            "timestamp": timestamp,
        }
    )


def _work(source: str, token: str, head: list[Any] | None) -> Work | None:
    if head is None:
        return None
    key, body, flat = head
    fields = dict(zip(islice(flat, 0, None, 2), islice(flat, 1, None, 2), strict=True))
    unreadable = False
    try:
        event = Event.model_validate_json(body)
    except ValidationError:
        # Whatever it is, it must come to its end: those behind it wait.
        unreadable = True
        event = placeholder(source, key, fields["record"], fields["event"])
    if "replays" in fields and not event.replayed:
        event = event.model_copy(update={"replayed": True})
    return Work(
        Lease(source, fields["record"], token),
        event,
        int(fields["attempts"]),
        frozenset(f.removeprefix(HANDLER_PREFIX) for f in fields if f.startswith(HANDLER_PREFIX)),
        int(fields["accepted_at"]),
        unreadable,
    )


def _storable(error: str) -> str:
    """The end of an error's text, without what UTF-8 cannot express (lone surrogates)."""
    return error[-ERROR_LENGTH:].encode("utf-8", "backslashreplace").decode()
