"""Claimed events, their batch and their results."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from bridgecore.events import Event
from bridgecore.storage.leases import Lease

#: `failed`: a worker tries the event again
Outcome = Literal["done", "dead", "failed"]


class ClaimedEvent(NamedTuple):
    """An event that a worker has claimed."""

    lease: Lease
    event: Event
    #: the payload as JSON, as accepted: handlers may change `event.payload`
    values: str
    #: the payload lacks fields, as accepted
    is_partial: bool
    #: number of this attempt, 1 for the first
    attempt: int
    #: names of the handlers that succeeded in earlier attempts
    handled_by: Sequence[str]
    #: Redis' time in microseconds
    accepted_at: int
    #: Redis' time in microseconds at which all handlers had succeeded, if the worker died before it
    #: settled the event; else 0
    handled_at: int
    #: the content cannot be read: `event` has only what its key, record and name tell
    unreadable: bool = False


class Result(NamedTuple):
    """What became of a claimed event."""

    claimed: ClaimedEvent
    outcome: Outcome
    #: Redis' time in microseconds, exact to a round trip
    moment: int
    #: names of the handlers that have succeeded; empty if all have
    handled_by: Sequence[str] = ()
    #: tracebacks of the handlers that failed
    error: str = ""
    #: seconds that the handlers took
    seconds: float = 0
    #: seconds until the next attempt, if it failed
    delay: float = 0


@dataclass(frozen=True)
class Batch:
    """Events that a worker claimed together. Those of one record are in their order."""

    source: str
    #: token of the leases of its records
    token: str
    events: Sequence[ClaimedEvent]
    #: Redis' time in microseconds at which the events were claimed
    claimed_at: int
    #: `time.monotonic()` before the call of Redis that claimed them
    asked_at: float
    #: `time.monotonic()` after that call
    answered_at: float

    @cached_property
    def records(self) -> list[str]:
        """The records of the events, each once."""
        return list(dict.fromkeys(claimed.lease.name for claimed in self.events))

    @property
    def next_token(self) -> str:
        """The token of the next batch, the same if a call that claims it is repeated."""
        run, _, number = self.token.partition(".")
        return f"{run}.{int(number) + 1}"

    @property
    def age(self) -> float:
        """Seconds since the worker asked for the batch.

        While this is less than a lease's period, no lease of the batch has ended.
        """
        return time.monotonic() - self.asked_at

    @property
    def now(self) -> int:
        """Redis' time in microseconds, computed without asking Redis.

        It is late by a round trip at most.
        """
        return self.claimed_at + int((time.monotonic() - self.answered_at) * 1e6)
