"""Events in hand: what was taken, and what became of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from bridgecore.events import Event
from bridgecore.storage.leases import Lease

#: `failed` may be tried again
Outcome = Literal["done", "dead", "failed"]


class ClaimedEvent(NamedTuple):
    """An event that was taken."""

    lease: Lease
    event: Event
    #: the payload as JSON, and whether it lacks fields; whatever handlers do to the event
    values: str
    is_partial: bool
    #: how often handlers will have been called for it, this time included
    attempt: int
    #: names of the handlers that have succeeded already
    handled_by: Sequence[str]
    #: Redis' time in microseconds
    accepted_at: int
    #: when all handlers had succeeded, if a worker died between that and settling it; else 0
    handled_at: int
    #: the event is there in name only
    unreadable: bool = False


class Result(NamedTuple):
    """What became of an event that was taken."""

    claimed: ClaimedEvent
    outcome: Outcome
    #: Redis' time in microseconds, to within a round trip
    moment: int
    #: names of the handlers that have succeeded, if not all have
    handled_by: Sequence[str] = ()
    error: str = ""
    #: seconds that its handlers took
    seconds: float = 0
    #: seconds until a failed one may be tried again
    delay: float = 0


@dataclass(frozen=True)
class Batch:
    """Events that were taken together, those of a record in their order."""

    source: str
    token: str
    events: Sequence[ClaimedEvent]
    #: Redis' time in microseconds at which they were taken
    taken_at: int
    #: `time.monotonic()` before and after that
    asked_at: float
    answered_at: float

    @cached_property
    def records(self) -> list[str]:
        return list(dict.fromkeys(claimed.lease.name for claimed in self.events))

    @property
    def next_token(self) -> str:
        """Of the batch after it, however often that is asked for."""
        run, _, number = self.token.partition(".")
        return f"{run}.{int(number) + 1}"

    @property
    def age(self) -> float:
        """Seconds since it was asked for. No lease ends before that is a lease's period."""
        return time.monotonic() - self.asked_at

    @property
    def now(self) -> int:
        """Redis' time in microseconds without asking it; at most a round trip less than it is."""
        return self.taken_at + int((time.monotonic() - self.answered_at) * 1e6)
