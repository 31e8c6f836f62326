"""The numbers that a monitoring system asks for; all of them live in Redis, so they are those
of all processes on all hosts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridgecore.storage.connection import Connection, prefix


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one source."""

    #: `received:push`, `duplicates:pull`, `refused:push`, `done`, `dead`, `replayed`, …
    counters: Mapping[str, int]
    #: events that wait to be handled
    queued: int
    #: seconds since the oldest of them was committed in Odoo
    behind: float
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
        buckets: dict[float, int] = {}
        for figure, value in self.counters.items():
            kind, _, bound = figure.partition(":")
            if kind == name and bound != "sum":
                buckets[float(bound) / 1e6] = value
        total = 0
        cumulated: list[tuple[str, float]] = []
        for bound_, value in sorted(buckets.items()):
            total += value
            if bound_ != float("inf"):
                cumulated.append((f"{bound_:g}", total))
        cumulated.append(("+Inf", total))
        return cumulated, self.counters.get(f"{name}:sum", 0) / 1e6


class FigureStore:
    """Reads them; the scripts and `Feeds` count."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis

    def read(self, source: str) -> Figures:
        start = prefix(source)
        now = self._connection.now()
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hgetall(f"{start}:figures")
        pipeline.zrange(f"{start}:queued", 0, 0, withscores=True)
        pipeline.hmget(f"{start}:feed", "read_at", "failures")
        for name in ("queued", "reports", "dead", "kept", "remembered"):
            pipeline.zcard(f"{start}:{name}")
        counters, oldest, (read_at, failures), *sizes = pipeline.execute()
        queued, unreported, dead, kept, remembered = map(int, sizes)
        committed: Any = oldest[0][1] if oldest else now
        return Figures(
            {name: int(value) for name, value in counters.items()},
            queued,
            max(0.0, (now - committed) / 1e6),
            unreported,
            dead,
            kept + remembered,
            (now - int(read_at)) / 1e6 if read_at else None,
            int(failures or 0),
        )
