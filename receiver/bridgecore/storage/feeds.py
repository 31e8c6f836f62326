"""How far each source's feed has been read, and how its Odoo is."""

from dataclasses import dataclass
from typing import Any

from bridgecore.storage.connection import Connection, prefix


@dataclass(frozen=True, slots=True)
class Health:
    """How the conversation with an Odoo goes."""

    #: calls that failed since the last one that did not
    failures: int = 0
    #: Redis' time in microseconds before which it is left alone
    away_until: int = 0
    error: str = ""
    #: Redis' time in microseconds when its feed was last read to its end
    read_at: int = 0


class Feeds:
    """One hash per source."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis

    def cursor(self, source: str) -> int:
        return int(self._redis.hget(_key(source), "cursor") or 0)

    def set_cursor(self, source: str, cursor: int) -> None:
        self._redis.hset(_key(source), "cursor", cursor)

    def health(self, source: str) -> Health:
        fields: Any = self._redis.hgetall(_key(source))
        return Health(
            int(fields.get("failures", 0)),
            int(fields.get("away_until", 0)),
            fields.get("error", ""),
            int(fields.get("read_at", 0)),
        )

    def read_to_its_end(self, source: str) -> None:
        self._redis.hset(_key(source), "read_at", self._connection.now())

    def note_backlog(self, source: str, events: int, age: float) -> None:
        """What Odoo has and does not know to be handled; of the oldest its age in seconds."""
        self._redis.hset(_key(source), mapping={"backlog": events, "backlog_age": age})

    def answered(self, source: str) -> None:
        """Its Odoo is there (again)."""
        self._redis.hdel(_key(source), "failures", "away_until", "error")

    def failed(self, source: str, error: str) -> int:
        """Its Odoo is not there, or refuses; how often in a row."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hset(_key(source), "error", error)
        pipeline.hincrby(f"{prefix(source)}:figures", "feed_errors", 1)
        pipeline.hincrby(_key(source), "failures", 1)
        return int(pipeline.execute()[-1])

    def leave_alone(self, source: str, seconds: float) -> None:
        until = self._connection.now() + int(seconds * 1e6)
        self._redis.hset(_key(source), "away_until", until)


def _key(source: str) -> str:
    return f"{prefix(source)}:feed"
