"""The figures for monitoring.

They live in Redis, so each covers all processes on all hosts.
"""

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
    """The figures of one source."""

    #: `received:push`, `duplicates:pull`, `refused:push`, `done`, `dead`, `replayed`, …
    counters: Mapping[str, int]
    #: queued events
    queued: int
    #: seconds since the oldest of them was committed in Odoo
    behind: float
    #: events that are not confirmed, and seconds since the oldest of them, as Odoo said when its
    #: feed was last read
    backlog: int
    backlog_age: float
    #: reports that wait to be sent to Odoo
    unreported: int
    #: dead letters
    dead: int
    #: finished events that the receiver has not forgotten
    remembered: int
    #: seconds since the feed was last read to its end; None: never
    since_read: float | None
    #: calls to Odoo that failed since the last successful one
    failures: int

    def histogram(self, name: str) -> tuple[list[tuple[str, float]], float]:
        """Return a histogram: pairs (upper bound, events up to it), and the sum of all values.

        Bounds and values are seconds.

        Parameters:
            name: `handling` or `latency`.
        """
        total = 0
        cumulated: list[tuple[str, float]] = []
        for bound in _LABELS:
            total += self.counters.get(f"{name}:{bound}", 0)
            cumulated.append((bound, total))
        return cumulated, self.counters.get(f"{name}:sum", 0) / 1e6


class Tally:
    """Counts the results of one process in memory. `FigureStore.add` adds them to the figures.

    A process that is killed loses its counts. Exact figures would cost a call to Redis per event.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, outcome: str, handling: float, latency: float) -> None:
        """Count an event that is done or dead.

        Parameters:
            handling: seconds that its handlers took.
            latency: seconds from its acceptance to its result.
        """
        self.counts[outcome] += 1
        for name, seconds in (("handling", handling), ("latency", latency)):
            place = bisect_left(BOUNDS, seconds)
            self.counts[f"{name}:{_LABELS[place]}"] += 1
            self.counts[f"{name}:sum"] += int(seconds * 1e6)


class FigureStore:
    """Reads the figures of a source, and adds the counts of processes to them.

    The Lua scripts and `Feeds` add some counters themselves.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis

    def add(self, source: str, tally: Tally) -> None:
        """Add the counts of a process to the figures of a source."""
        pipeline = self._redis.pipeline(transaction=False)
        for figure, by in tally.counts.items():
            pipeline.hincrby(f"{prefix(source)}:figures", figure, by)
        pipeline.execute()

    def add_refusals(self, codes: Mapping[str, int]) -> None:
        """Count refused pushes by the code of their error.

        The counters belong to no source, because a push without valid credentials has none.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for code, by in codes.items():
            pipeline.hincrby(_REFUSALS, code, by)
        pipeline.execute()

    def refusals(self) -> dict[str, int]:
        """Return how many pushes were refused, by the code of their error."""
        counts: Any = self._redis.hgetall(_REFUSALS)
        return {code: int(count) for code, count in counts.items()}

    def read(self, source: str) -> Figures:
        """Return the figures of a source."""
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
