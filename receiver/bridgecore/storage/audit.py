"""Who did what by hand, and what was deleted."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridgecore.storage.connection import Connection

KEY = "bridgecore:audit"
#: entries; about, as Redis drops them in blocks
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    id: str
    at: datetime
    #: `api`, `cli` or `receiver`
    by: str
    #: such as `dead_letters.replayed`
    action: str
    facts: dict[str, Any]


class AuditLog:
    """A Redis stream: its ids are times, so old entries go with one command."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis

    def note(self, by: str, action: str, **facts: Any) -> None:
        """Add an entry. Facts must not hold secrets or values of records."""
        fields: Any = {"by": by, "action": action, "facts": json.dumps(facts)}
        self._redis.xadd(KEY, fields, maxlen=MOST, approximate=True)

    def newest(self, limit: int, before: str | None = None) -> list[Entry]:
        """Newest first; `before` is the id of the last entry of the page before."""
        if before and not before.strip("0-"):
            return []  # there is no smaller id, and Redis refuses to look for one
        highest = f"({before}" if before else "+"
        entries: Any = self._redis.xrevrange(KEY, max=highest, count=limit)
        return [_entry(id_, fields) for id_, fields in entries]

    def drop_older_than(self, seconds: float) -> int:
        """One bulk operation; how many entries it dropped."""
        oldest = (self._connection.now() - int(seconds * 1e6)) // 1000
        return int(self._redis.xtrim(KEY, minid=f"{oldest}-0", approximate=False))


def _entry(id_: str, fields: dict[str, str]) -> Entry:
    at = datetime.fromtimestamp(int(id_.partition("-")[0]) / 1000, UTC)
    return Entry(id_, at, fields["by"], fields["action"], json.loads(fields["facts"]))
