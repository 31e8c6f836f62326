"""What was measured, against what was promised. Knows nothing of processes or of the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure, and the least or the most that it should be."""

    title: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:,g}"
        return "" if self.at_most is None else f"≤ {self.at_most:,g}"

    def __str__(self) -> str:
        digits = 0 if self.value >= 100 else 2
        return f"{self.title:<58}{self.value:>12,.{digits}f} {self.unit:<10}{self.target}"


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def missed(rows: list[Row]) -> Iterator[Row]:
    return (row for row in rows if not row.kept)
