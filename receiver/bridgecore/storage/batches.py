"""Claims batches of events for a worker, and settles them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from bridgecore.config.settings import Settings
from bridgecore.storage.claimed_events import Batch, ClaimedEvent, Result
from bridgecore.storage.connection import Connection
from bridgecore.storage.contents import content
from bridgecore.storage.latest import Latest
from bridgecore.storage.leases import Lease
from bridgecore.storage.memory import Memory

#: beginning of the fields of an event's memory that name handlers that have succeeded
HANDLER_PREFIX = "handler:"


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim."""

    batch: Batch
    #: how many of the named records the script has looked at, from the first
    examined: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer to settling a batch."""

    #: The list of reports was empty and has reports now: the caller must send the message to
    #: confirm.
    starts_reports: bool
    #: records whose lease another worker has now: their results were not written
    lost: Sequence[str]
    #: records of the batch that still have events to be handled now
    still_due: Sequence[str]
    #: the claim of the next batch
    next_claim: Claim


class Batches:
    """Claims and settles with one script each, so a crash leaves all changes or none."""

    def __init__(
        self, connection: Connection, settings: Settings, latest: Latest, memory: Memory
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._latest = latest
        self._lease_ms = int(settings.lease * 1000)
        self._claim = connection.script("claim")
        self._settle = connection.script("settle")
        self._stalled = connection.script("stalled")

    def claim(self, source: str, records: Sequence[str], limit: int) -> Claim:
        """Claim up to `limit` events of those records that are due and that no worker has."""
        token, asked_at = f"{uuid4().hex}.0", time.monotonic()
        claimed_at, answer = self._claim(source, token, self._lease_ms, limit, *records)
        return _claim(source, token, int(claimed_at), asked_at, answer)

    def settle(
        self,
        batch: Batch,
        results: Sequence[Result],
        next_records: Sequence[str] = (),
        limit: int = 0,
    ) -> Settled:
        """Write the results of a batch, give its leases back, and claim the next batch.

        Events of the batch without a result stay queued.

        Parameters:
            next_records: records of the next batch. Records of this batch that are still due
                come after them.
            limit: events of the next batch at most; 0 claims none.
        """
        is_short = self._memory.is_short()
        arguments = (
            batch.token,
            batch.next_token,
            self._lease_ms,
            limit,
            self._settings.max_streamed_events,
            int(is_short),
            msgspec.json.encode(batch.records),
            msgspec.json.encode([_result_for_script(result, is_short) for result in results]),
        )
        latest = map(str, self._latest.after(batch.source, (result.claimed for result in results)))
        asked_at = time.monotonic()
        starts_reports, lost, still_due, claimed_at, answer = self._settle(
            batch.source, *arguments, *latest, *next_records
        )
        next_claim = _claim(batch.source, batch.next_token, int(claimed_at), asked_at, answer)
        return Settled(bool(starts_reports), lost, still_due, next_claim)

    def stalled(self, source: str, limit: int) -> list[str]:
        """Return records whose message must have got lost: they are due since a lease's period.

        Each record is returned once per period.
        """
        records: list[str] = self._stalled(source, int(self._settings.lease * 1e6), limit)
        return records


def _result_for_script(result: Result, is_short: bool) -> dict[str, Any]:
    """Return a result as `settle.lua` reads it.

    Numbers are texts, because a number in Lua loses digits. `memory` has fields of the event's
    memory, each followed by its value.
    """
    memory: list[str] = []
    if result.handled_by:
        memory += handler_fields(result.handled_by)
    if result.error:
        error = result.error.partition("\n\n")[0] if is_short else result.error  # its summary
        memory += ("error", _storable(error))
    return {
        "record": result.claimed.lease.name,
        "key": result.claimed.event.key,
        "outcome": result.outcome,
        "moment": str(result.moment),
        "delay": str(int(result.delay * 1e6)),
        "memory": memory,
    }


def _claim(source: str, token: str, claimed_at: int, asked_at: float, answer: list[Any]) -> Claim:
    """Return the claim that a script has answered."""
    answered_at = time.monotonic()
    examined, events = answer
    events = [_claimed_event(source, token, *event) for event in events]
    batch = Batch(source, token, events, claimed_at, asked_at, answered_at)
    return Claim(batch, examined)


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
    # An event that cannot be read must get a result, too: later events of its record wait for it.
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
    """Return fields and values of an event's memory that say which handlers have succeeded.

    The field `partly` spares `claim` the search for such fields in other events.
    """
    fields = ["partly", "1"]
    for handler in handlers:
        fields += (HANDLER_PREFIX + handler, "1")
    return fields


def _storable(error: str) -> str:
    """Return an error's text with lone surrogates escaped: UTF-8 cannot hold them."""
    return error.encode("utf-8", "backslashreplace").decode()
