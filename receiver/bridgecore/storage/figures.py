"""The numbers that a monitoring system asks for; all of them live in Redis, so they are those
of all processes on all hosts."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridgecore.storage.connection import Connection, prefix

#: upper bounds of the histograms, in seconds
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_LABELS = (*map(str, BOUNDS), "+Inf")

_REFUSALS = "bridgecore:refusals"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one source."""

    #: `received:push`, `duplicates:pull`, `refused:push`, `done`, `dead`, `replayed`, …
    counters: Mapping[str, int]
    #: events that wait to be handled
    queued: int
    #: seconds since the oldest of them was committed in Odoo
    behind: float
    #: events that Odoo does not know to be handled, and seconds since the oldest of them, as Odoo
    #: said when its feed was last read
    backlog: int
    backlog_age: float
    #: outcomes that Odoo is to be told
    unreported: int
    dead: int
    #: confirmed events that are still known
    remembered: int
    #: seconds since the feed was last read to its end; None: never
    since_read: float | None
    #: calls to Odoo that failed since the last one that did not
    failures: int

    def histogram(self, name: str) -> tuple[list[tuple[str, float]], float]:
        """`handling` or `latency`: (upper bound, how many up to it) and the sum, in seconds."""
        total = 0
        cumulated: list[tuple[str, float]] = []
        for bound in _LABELS:
            total += self.counters.get(f"{name}:{bound}", 0)
            cumulated.append((bound, total))
        return cumulated, self.counters.get(f"{name}:sum", 0) / 1e6


class Tally:
    """Counts in memory what one process does, to be added to the figures together.

    A process that is killed takes along what it had not added: figures are for watching, and not
    worth a call to Redis for each event.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def handled(self, outcome: str, handling: float, latency: float) -> None:
        """Count an event that came to its end; times in seconds."""
        self.counts[outcome] += 1
        for name, seconds in (("handling", handling), ("latency", latency)):
            place = bisect_left(BOUNDS, seconds)
            self.counts[f"{name}:{_LABELS[place]}"] += 1
            self.counts[f"{name}:sum"] += int(seconds * 1e6)


class FigureStore:
    """Some are counted by the scripts and by `Feeds`, the others are added from a `Tally`, refused
    pushes by the API."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis

    def add(self, source: str, tally: Tally) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for figure, by in tally.counts.items():
            pipeline.hincrby(f"{prefix(source)}:figures", figure, by)
        pipeline.execute()

    def add_refusals(self, codes: Mapping[str, int]) -> None:
        """Count refused pushes by the code of their error. Of most nobody knows the source."""
        pipeline = self._redis.pipeline(transaction=False)
        for code, by in codes.items():
            pipeline.hincrby(_REFUSALS, code, by)
        pipeline.execute()

    def refusals(self) -> dict[str, int]:
        """How many pushes were refused, by the code of their error."""
        counts: Any = self._redis.hgetall(_REFUSALS)
        return {code: int(count) for code, count in counts.items()}

    def read(self, source: str) -> Figures:
        start = prefix(source)
        now = self._connection.now()
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hgetall(f"{start}:figures")
        pipeline.zrange(f"{start}:queued", 0, 0, withscores=True)
        pipeline.hmget(f"{start}:feed", "read_at", "failures", "backlog", "backlog_age")
        for name in ("queued", "reports", "dead", "kept", "remembered"):
            pipeline.zcard(f"{start}:{name}")
        counters, oldest, (read_at, failures, backlog, backlog_age), *sizes = pipeline.execute()
        queued, unreported, dead, kept, remembered = map(int, sizes)
        committed: Any = oldest[0][1] if oldest else now
        return Figures(
            {name: int(value) for name, value in counters.items()},
            queued,
            max(0.0, (now - committed) / 1e6),
            int(backlog or 0),
            float(backlog_age or 0),
            unreported,
            dead,
            kept + remembered,
            (now - int(read_at)) / 1e6 if read_at else None,
            int(failures or 0),
        )
