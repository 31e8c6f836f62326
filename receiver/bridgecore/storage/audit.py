"""The audit log: what operators did, and what the receiver deleted or copied."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridgecore.storage.connection import Connection

KEY = "bridgecore:audit"
#: entries that the log keeps, approximately: Redis drops them in blocks
MAX_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log."""

    id: str
    at: datetime
    #: the actor: `api`, `cli` or `receiver`
    by: str
    #: what the actor did, such as `dead_letters.replayed`
    action: str
    facts: dict[str, Any]


class AuditLog:
    """A Redis stream. Its ids are times, so one command drops all old entries."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis

    def note(self, by: str, action: str, **facts: Any) -> None:
        """Add an entry. `facts` must not hold secrets or values of records."""
        fields: Any = {"by": by, "action": action, "facts": json.dumps(facts)}
        self._redis.xadd(KEY, fields, maxlen=MAX_ENTRIES, approximate=True)

    def newest(self, limit: int, before: str | None = None) -> list[Entry]:
        """Return the newest entries, newest first.

        Parameters:
            before: the id of the last entry of the previous page.
        """
        if before and not before.strip("0-"):
            return []  # no id is smaller than 0-0, and Redis refuses to search for one
        highest = f"({before}" if before else "+"
        entries: Any = self._redis.xrevrange(KEY, max=highest, count=limit)
        return [_entry(id_, fields) for id_, fields in entries]

    def drop_older_than(self, seconds: float) -> int:
        """Drop old entries with one command; return how many."""
        oldest = (self._connection.now() - int(seconds * 1e6)) // 1000
        return int(self._redis.xtrim(KEY, minid=f"{oldest}-0", approximate=False))


def _entry(id_: str, fields: dict[str, str]) -> Entry:
    at = datetime.fromtimestamp(int(id_.partition("-")[0]) / 1000, UTC)
    return Entry(id_, at, fields["by"], fields["action"], json.loads(fields["facts"]))
