"""Follows each event from its commit in Odoo to its acknowledgement, and tells of every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from devstack.console import styled
from devstack.stack import Stack

#: The steps of a journey in their order, with what is said about them.
_STEPS = {
    "committed": ("●", "committed in Odoo"),
    "arrived": ("→", "{way}"),
    "handled": ("→", "processed by the handler"),
    "acknowledged": ("✓", "acknowledged in Odoo"),
}
_WAYS = {"push": "pushed to the receiver", "pull": "pulled by the receiver"}
_COLOURS = {"committed": "bold", "arrived": "cyan", "handled": "yellow", "acknowledged": "green"}
_ROWS = """
    SELECT id, model, record_id, event, timestamp, processed_at, failure
      FROM update_webhook ORDER BY id
"""


@dataclass
class Journey:
    """One event and when it reached each step."""

    event_id: int
    model: str
    record_id: int
    event: str
    committed: datetime
    arrived: datetime | None = None
    handled: datetime | None = None
    acknowledged: datetime | None = None
    #: "push" or "pull"
    via: str = ""
    failure: str = ""
    #: how many of the steps have been told
    told: int = 0

    @property
    def label(self) -> str:
        return f"{self.model},{self.record_id} {self.event}"

    def steps(self) -> list[tuple[str, datetime]]:
        """The steps reached so far without a gap, so that they can be told in order."""
        reached = []
        for step in _STEPS:
            moment: datetime | None = getattr(self, step)
            if moment is None:
                break
            reached.append((step, moment))
        return reached

    def milliseconds(self, step: str) -> int | None:
        """How long the step took, since the one before it."""
        steps = dict(self.steps())
        if step not in steps or step == "committed":
            return None
        before = list(steps.values())[list(steps).index(step) - 1]
        return round((steps[step] - before).total_seconds() * 1000)

    @property
    def total(self) -> int | None:
        """Milliseconds from the commit to the acknowledgement."""
        if len(self.steps()) < len(_STEPS) or self.acknowledged is None:
            return None
        return round((self.acknowledged - self.committed).total_seconds() * 1000)

    def tell(self, step: str, moment: datetime) -> str:
        """One line about one step."""
        mark, text = _STEPS[step]
        text = text.format(way=_WAYS.get(self.via, "at the receiver"))
        took = self.milliseconds(step)
        latency = "" if took is None else f"{took:+6d} ms"
        total = f"   {self.total} ms in all" if step == "acknowledged" else ""
        clock = f"{moment.astimezone():%H:%M:%S}.{moment.microsecond // 1000:03d}"
        return (
            f"{styled(clock, 'dim')}  #{self.event_id:<4} {self.label:<26} "
            f"{styled(f'{mark} {text:<26}', _COLOURS[step])}{latency}{styled(total, 'dim')}"
        ).rstrip()


class Journeys:
    """All events of a running stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._by_id: dict[int, Journey] = {}

    def __iter__(self) -> Iterator[Journey]:
        return iter(self._by_id.values())

    def update(self, settled: float = 0.0) -> list[str]:
        """Look at both ends; returns a line for every step that is new, in order of time.

        A step younger than `settled` seconds waits for the next look: by then an earlier one
        may have come to light.
        """
        settled_until = datetime.now(UTC) - timedelta(seconds=settled)
        for event_id, model, record_id, event, committed, processed, failure in self._stack.sql(
            _ROWS
        ):
            journey = self._by_id.setdefault(
                event_id, Journey(event_id, model, record_id, event, _utc(committed))
            )
            journey.acknowledged = _utc(processed) if processed else None
            journey.failure = failure or ""
        for listed in self._stack.receiver.events():
            known = self._by_id.get(listed["event_id"])
            if known:
                known.via = listed["via"]
                known.arrived = _parsed(listed["accepted_at"])
                known.handled = _parsed(listed["handled_at"])
        news: list[tuple[datetime, int, str]] = []
        for journey in self:
            steps = [step for step in journey.steps() if step[1] <= settled_until]
            for number, (step, moment) in enumerate(steps[journey.told :], journey.told):
                news.append((moment, number, journey.tell(step, moment)))
            journey.told = max(journey.told, len(steps))
        return [line for _, _, line in sorted(news)]


def table(journeys: Journeys) -> list[str]:
    """A summary, one row for each event."""
    heads = ("event", "way", "arrived", "processed", "acknowledged", "in all")
    lines = [styled("{:<34}{:<6}{:>12}{:>12}{:>14}{:>12}".format(*heads), "bold")]
    for journey in journeys:
        figures = [journey.milliseconds(s) for s in ("arrived", "handled", "acknowledged")]
        cells = ["-" if ms is None else f"{ms} ms" for ms in (*figures, journey.total)]
        name = f"#{journey.event_id} {journey.label}"
        lines.append(
            f"{name:<34}{journey.via or '-':<6}"
            f"{cells[0]:>12}{cells[1]:>12}{cells[2]:>14}{cells[3]:>12}"
        )
    return lines


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _parsed(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
