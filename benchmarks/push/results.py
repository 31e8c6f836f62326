"""What was measured, and the statistics of it. Knows nothing of Odoo or of the console."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Summary:
    """A set of latencies, in milliseconds."""

    p50: float
    p95: float
    p99: float
    worst: float


def summary(milliseconds: list[float]) -> Summary:
    """Percentiles; each is a value that was measured (the nearest rank)."""
    ordered = sorted(milliseconds)

    def rank(percent: int) -> float:
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

    return Summary(rank(50), rank(95), rank(99), ordered[-1])


@dataclass
class Results:
    """All measurements, by what was measured and the variant, a list for each round."""

    _latencies: dict[tuple[str, str], list[list[float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _rates: dict[tuple[str, str], list[list[float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    #: milliseconds of a claim, by the number of deliveries that were waiting
    claims: dict[int, float] = field(default_factory=dict)

    def add_latencies(self, what: str, variant: str, milliseconds: list[float]) -> None:
        self._latencies[what, variant].append(milliseconds)

    def add_rates(self, what: str, variant: str, rates: list[float]) -> None:
        """Add events a second, one figure for each repetition."""
        self._rates[what, variant].append(rates)

    def measured(self, what: str, variant: str) -> bool:
        return (what, variant) in self._latencies or (what, variant) in self._rates

    def latency(self, what: str, variant: str) -> Summary:
        """Of all rounds together: what is promised is promised for every event."""
        return summary(_flat(self._latencies[what, variant]))

    def best_round(self, what: str, variant: str) -> Summary:
        """Each percentile in the round in which it was best: how much is the machine's noise."""
        rounds = [summary(one) for one in self._latencies[what, variant]]
        return Summary(
            min(one.p50 for one in rounds),
            min(one.p95 for one in rounds),
            min(one.p99 for one in rounds),
            min(one.worst for one in rounds),
        )

    def rate(self, what: str, variant: str) -> float:
        """Events a second, the median of all repetitions."""
        return statistics.median(_flat(self._rates[what, variant]))

    def rates(self, what: str, variant: str) -> list[float]:
        return _flat(self._rates[what, variant])

    def as_json(self) -> dict[str, dict[str, dict[str, list[list[float]]]]]:
        """Everything that was measured, for later comparison."""
        tree: dict[str, dict[str, dict[str, list[list[float]]]]] = {
            "latencies_ms": defaultdict(dict),
            "events_per_second": defaultdict(dict),
            "claim_ms": {"": {str(waiting): [[ms]] for waiting, ms in self.claims.items()}},
        }
        for (what, variant), rounds in self._latencies.items():
            tree["latencies_ms"][what][variant] = [[round(x, 3) for x in one] for one in rounds]
        for (what, variant), rounds in self._rates.items():
            tree["events_per_second"][what][variant] = [
                [round(x, 1) for x in one] for one in rounds
            ]
        return tree


def _flat(rounds: list[list[float]]) -> list[float]:
    return [value for one in rounds for value in one]
