"""Events on their way to their handlers: taken together, and settled together."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from bridgecore.config.settings import Settings
from bridgecore.storage.claimed import Batch, ClaimedEvent, Result
from bridgecore.storage.connection import Connection
from bridgecore.storage.contents import content
from bridgecore.storage.latest import Latest
from bridgecore.storage.leases import Lease

HANDLER_PREFIX = "handler:"
#: characters of a traceback that are kept; its end says most
ERROR_LENGTH = 8000


@dataclass(frozen=True, slots=True)
class Claimed:
    """The next batch, and how many of the records that were named it has been looked for in."""

    batch: Batch
    looked_at: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A batch has come to its result."""

    #: reporting has to be started
    report: bool
    #: records that another worker has taken over: nothing was written down for them
    lost: Sequence[str]
    #: records that still have events that are due
    left: Sequence[str]
    following: Claimed


class Batches:
    """Every change of an event's state is one script, so that a crash leaves all or nothing."""

    def __init__(self, connection: Connection, settings: Settings, latest: Latest) -> None:
        self._settings = settings
        self._latest = latest
        self._lease_ms = int(settings.lease * 1000)
        self._claim = connection.script("claim")
        self._settle = connection.script("settle")
        self._stalled = connection.script("stalled")

    def claim(self, source: str, records: Sequence[str], limit: int) -> Claimed:
        """Take up to `limit` events of those records that are due and have no other worker."""
        token, asked_at = f"{uuid4().hex}.0", time.monotonic()
        taken_at, taken = self._claim(source, token, self._lease_ms, limit, *records)
        return _claimed(source, token, int(taken_at), asked_at, taken)

    def settle(
        self, batch: Batch, results: Sequence[Result], then: Sequence[str] = (), limit: int = 0
    ) -> Settled:
        """Write down what became of the events, give their records back, and take the next batch.

        It has up to `limit` events, of the records `then` and, after these, of this batch's own.
        Events without an end wait again.
        """
        arguments = (
            batch.token,
            batch.next_token,
            self._lease_ms,
            limit,
            self._settings.max_streamed_events,
            msgspec.json.encode(batch.records),
            msgspec.json.encode([_description(result) for result in results]),
        )
        latest = map(str, self._latest.after(batch.source, (result.claimed for result in results)))
        asked_at = time.monotonic()
        report, lost, left, taken_at, taken = self._settle(batch.source, *arguments, *latest, *then)
        following = _claimed(batch.source, batch.next_token, int(taken_at), asked_at, taken)
        return Settled(bool(report), lost, left, following)

    def stalled(self, source: str, limit: int) -> list[str]:
        """Records whose message must have been lost; each is named once per lease period."""
        records: list[str] = self._stalled(source, int(self._settings.lease * 1e6), limit)
        return records


def _description(result: Result) -> dict[str, Any]:
    """For the script: texts, because its numbers are not exact, and fields before their values."""
    memory: list[str] = []
    if result.handled_by:
        memory += handler_fields(result.handled_by)
    if result.error:
        memory += ("error", _storable(result.error))
    return {
        "record": result.claimed.lease.name,
        "key": result.claimed.event.key,
        "outcome": result.outcome,
        "moment": str(result.moment),
        "delay": str(int(result.delay * 1e6)),
        "memory": memory,
    }


def _claimed(source: str, token: str, taken_at: int, asked_at: float, answer: list[Any]) -> Claimed:
    answered_at = time.monotonic()
    looked_at, events = answer
    events = [_claimed_event(source, token, *event) for event in events]
    batch = Batch(source, token, events, taken_at, asked_at, answered_at)
    return Claimed(batch, looked_at)


def _claimed_event(
    source: str,
    token: str,
    record: str,
    key: str,
    body: str | None,
    name: str,
    accepted_at: str,
    replays: str | None,
    attempt: int,
    handled_at: str | None,
    handled_by: Sequence[str],
) -> ClaimedEvent:
    # Whatever it is, it must come to its end: those behind it wait.
    event, readable = content(source, key, record, name, body)
    if replays and not event.replayed:
        event = replace(event, replayed=True)
    return ClaimedEvent(
        Lease(source, record, token),
        event,
        msgspec.json.encode(event.payload).decode(),
        event.is_partial,
        attempt,
        handled_by,
        int(accepted_at),
        int(handled_at or 0),
        not readable,
    )


def handler_fields(handlers: Sequence[str]) -> list[str]:
    """Of an event's memory: `partly` says that some of its handlers have succeeded, and these."""
    fields = ["partly", "1"]
    for handler in handlers:
        fields += (HANDLER_PREFIX + handler, "1")
    return fields


def _storable(error: str) -> str:
    """The end of an error's text, without what UTF-8 cannot express (lone surrogates)."""
    return error[-ERROR_LENGTH:].encode("utf-8", "backslashreplace").decode()
