"""The latest values of records."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from bridgecore.storage.claimed import ClaimedEvent
from bridgecore.storage.connection import Connection, prefix


class Values(NamedTuple):
    """Of a record, after an event."""

    timestamp: str
    event: str
    #: as JSON
    fields: str

    def __str__(self) -> str:
        """As it is stored. What comes first says which of two is later."""
        return " ".join(self)


class Latest:
    """Written together with the end of an event, by `settle.lua`."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection.redis

    def read(self, source: str, records: Sequence[str]) -> dict[str, Values]:
        """What is known of these records."""
        if not records:
            return {}
        found: Any = self._redis.mget(f"{prefix(source)}:latest:{record}" for record in records)
        return {
            record: Values(*text.split(" ", 2))
            for record, text in zip(records, found, strict=True)
            if text
        }

    def after(self, source: str, events: Iterable[ClaimedEvent]) -> list[Values]:
        """What will be known of the record of each event, one after the other.

        Whoever asks has their leases: nobody else writes what is read for that.
        """
        events = list(events)
        partly_sent = {claimed.lease.name for claimed in events if claimed.is_partial}
        known = self.read(source, list(partly_sent))
        after = []
        for claimed in events:
            values = Values(claimed.event.timestamp, claimed.event.event, claimed.values)
            if (record := claimed.lease.name) in partly_sent:
                before = known.get(record)
                if claimed.is_partial and before:
                    values = values._replace(fields=_updated(before.fields, claimed.values))
                if not before or before.timestamp <= values.timestamp:
                    known[record] = values
            after.append(values)
        return after


def _updated(fields: str, newer: str) -> str:
    decode = msgspec.json.decode
    return msgspec.json.encode({**decode(fields), **decode(newer)}).decode()
