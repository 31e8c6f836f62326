"""The outcomes that Odoo is to be told, in their order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bridgecore.errors import LeaseLost
from bridgecore.storage.connection import Connection
from bridgecore.storage.leases import Lease

#: the lease of whoever tells a source
LEASE = "reports"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of an event, for Odoo."""

    key: str
    event_id: int
    #: its place on the list; a later outcome of the same event has another one
    place: int
    #: of the event: `done`, `dead` or `discarded`
    state: str
    #: why it was given up; None: it was handled
    error: str | None


class Reports:
    """The list of a source. Whoever makes it non-empty has to start the telling."""

    def __init__(self, connection: Connection) -> None:
        self._first = connection.script("reports")
        self._confirm = connection.script("confirm")

    def first(self, source: str, limit: int) -> list[Report]:
        """The first outcomes that Odoo is to be told, in order."""
        return [
            Report(
                key,
                int(key.partition("@")[0]),
                int(place),
                state,
                (error or "") if state in ("dead", "discarded") else None,
            )
            for key, place, state, error in self._first(source, limit)
        ]

    def confirm(self, lease: Lease, reports: Iterable[Report]) -> int:
        """Odoo knows these; how many are left. With none left the lease is given back.

        One that has another outcome by now stays on the list.

        Raises:
            LeaseLost
        """
        arguments: list[Any] = [lease.token]
        for report in reports:
            arguments += (report.key, report.place, report.state)
        left = int(self._confirm(lease.source, *arguments))
        if left < 0:
            raise LeaseLost
        return left
