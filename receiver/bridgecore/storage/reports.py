"""The reports: results that wait to be sent to Odoo, in order."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bridgecore.errors import LeaseLost
from bridgecore.events import EventName
from bridgecore.storage.connection import Connection, prefix
from bridgecore.storage.leases import Lease

#: name of the lease for confirming
LEASE = "reports"


class Report(NamedTuple):
    """The result of an event, for Odoo."""

    key: str
    #: place in the list; a later result of the same event has another place
    place: int
    #: why the event was given up; None if it is done
    error: str | None = None

    @property
    def event(self) -> EventName:
        """The name by which Odoo knows the event."""
        event_id, _at, timestamp = self.key.partition("@")
        return EventName(int(event_id), timestamp)


class Reports:
    """The list of reports of each source.

    The process that adds the first report to an empty list sends the message to confirm. A done
    event has an even place, one that was given up an odd place.
    """

    def __init__(self, connection: Connection) -> None:
        self._redis = connection.redis
        self._confirm = connection.script("confirm")

    def first(self, source: str, limit: int) -> list[Report]:
        """Return the first reports of the list, in order."""
        listed: Any = self._redis.zrange(f"{prefix(source)}:reports", 0, limit - 1, withscores=True)
        reports = [Report(key, int(place)) for key, place in listed]
        errors = self._errors(source, [report.key for report in reports if report.place % 2])
        return [
            report._replace(error=errors[report.key]) if report.place % 2 else report
            for report in reports
        ]

    def _errors(self, source: str, keys: Sequence[str]) -> dict[str, str]:
        """Return why these events were given up; an empty text if their memory has no error."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(f"{prefix(source)}:event:{key}", "error")
        return {key: error or "" for key, error in zip(keys, pipeline.execute(), strict=True)}

    def confirm(self, lease: Lease, reports: Iterable[Report]) -> int:
        """Take reports that Odoo has received off the list; return how many remain.

        A report stays on the list if its event has a new result. If the list is empty, this gives
        the lease back in the same step.

        Raises:
            LeaseLost: another process may be confirming.
        """
        arguments: list[Any] = [lease.token]
        for report in reports:
            arguments += (report.key, report.place)
        remaining = int(self._confirm(lease.source, *arguments))
        if remaining < 0:
            raise LeaseLost
        return remaining
