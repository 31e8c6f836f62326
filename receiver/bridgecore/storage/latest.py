"""The latest values of records."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from bridgecore.storage.claimed_events import ClaimedEvent
from bridgecore.storage.connection import Connection, prefix


class Values(NamedTuple):
    """The values of a record after an event."""

    #: of the event
    timestamp: str
    #: the event's name
    event: str
    #: the event's id; 0 if an earlier version stored the values
    event_id: int
    #: the values as JSON
    fields: str

    def __str__(self) -> str:
        """The stored text. `settle.lua` reads its beginning; earlier versions can read it, too."""
        return f"{self.timestamp} {self.event}/{self.event_id} {self.fields}"

    @classmethod
    def parse(cls, text: str) -> "Values":
        timestamp, name, fields = text.split(" ", 2)
        event, _, event_id = name.partition("/")
        return cls(timestamp, event, int(event_id or 0), fields)

    def is_older_than(self, other: "Values") -> bool:
        """Return whether these values were true before the others, see `settle.lua`."""
        is_lower = not other.event_id or self.event_id < other.event_id
        return is_lower and self.timestamp < other.timestamp


class Latest:
    """Reads the latest values. `settle.lua` writes them together with the result of an event."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection.redis

    def read(self, source: str, records: Sequence[str]) -> dict[str, Values]:
        """Return the latest values of these records. A record without any is left out."""
        if not records:
            return {}
        found: Any = self._redis.mget(f"{prefix(source)}:latest:{record}" for record in records)
        return {
            record: Values.parse(text) for record, text in zip(records, found, strict=True) if text
        }

    def after(self, source: str, events: Iterable[ClaimedEvent]) -> list[Values]:
        """Return the values of each event's record after that event, in the order of the events.

        The caller must hold the leases of the records. So no other worker changes the stored
        values meanwhile.
        """
        events = list(events)
        partly_sent = {claimed.lease.name for claimed in events if claimed.is_partial}
        known = self.read(source, list(partly_sent))
        after = []
        for claimed in events:
            event = claimed.event
            values = Values(event.timestamp, event.event, event.event_id, claimed.values)
            if (record := claimed.lease.name) in partly_sent:
                before = known.get(record)
                if claimed.is_partial and before:
                    values = values._replace(fields=_updated(before.fields, claimed.values))
                if not before or not values.is_older_than(before):
                    known[record] = values
            after.append(values)
        return after


def _updated(fields: str, newer: str) -> str:
    decode = msgspec.json.decode
    return msgspec.json.encode({**decode(fields), **decode(newer)}).decode()
