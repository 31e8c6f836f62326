"""The outcomes that Odoo is to be told, in their order."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bridgecore.errors import LeaseLost
from bridgecore.storage.connection import Connection, prefix
from bridgecore.storage.leases import Lease

#: the lease of whoever tells a source
LEASE = "reports"


class Report(NamedTuple):
    """The outcome of an event, for Odoo."""

    key: str
    #: its place on the list; a later outcome of the same event has another one
    place: int
    #: why it was given up; None: it was handled
    error: str | None = None

    @property
    def event_id(self) -> int:
        return int(self.key.partition("@")[0])


class Reports:
    """The list of a source. Whoever makes it non-empty has to start the telling.

    Events at even places are done, those at odd ones were given up.
    """

    def __init__(self, connection: Connection) -> None:
        self._redis = connection.redis
        self._confirm = connection.script("confirm")

    def first(self, source: str, limit: int) -> list[Report]:
        """The first outcomes that Odoo is to be told, in order."""
        listed: Any = self._redis.zrange(f"{prefix(source)}:reports", 0, limit - 1, withscores=True)
        reports = [Report(key, int(place)) for key, place in listed]
        errors = self._errors(source, [report.key for report in reports if report.place % 2])
        return [
            report._replace(error=errors[report.key]) if report.place % 2 else report
            for report in reports
        ]

    def _errors(self, source: str, keys: Sequence[str]) -> dict[str, str]:
        """Why these were given up; empty, if that is not known any more."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(f"{prefix(source)}:event:{key}", "error")
        return {key: error or "" for key, error in zip(keys, pipeline.execute(), strict=True)}

    def confirm(self, lease: Lease, reports: Iterable[Report]) -> int:
        """Odoo knows these; how many are left. With none left the lease is given back.

        One that has another outcome by now stays on the list.

        Raises:
            LeaseLost
        """
        arguments: list[Any] = [lease.token]
        for report in reports:
            arguments += (report.key, report.place)
        left = int(self._confirm(lease.source, *arguments))
        if left < 0:
            raise LeaseLost
        return left
