"""The cursor of each source's feed, and whether its Odoo answers."""

from dataclasses import dataclass
from typing import Any

from bridgecore.storage.connection import Connection, prefix


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an Odoo answers."""

    #: calls that failed since the last successful one
    failures: int = 0
    #: Redis' time in microseconds until which the receiver does not call it
    away_until: int = 0
    #: text of the last failure, empty after a success
    error: str = ""
    #: Redis' time in microseconds at which the feed was last read to its end; 0: never
    read_at: int = 0


class Feeds:
    """One hash in Redis per source."""

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

    def note_read_to_end(self, source: str) -> None:
        """Write down that the feed was read to its end just now."""
        self._redis.hset(_key(source), "read_at", self._connection.now())

    def note_backlog(self, source: str, events: int, age: float) -> None:
        """Write down how many events Odoo has that are not confirmed.

        Parameters:
            age: seconds since the oldest of them.
        """
        self._redis.hset(_key(source), mapping={"backlog": events, "backlog_age": age})

    def note_success(self, source: str) -> None:
        """Forget the failures: the Odoo has answered."""
        self._redis.hdel(_key(source), "failures", "away_until", "error")

    def note_failure(self, source: str, error: str) -> int:
        """Write down that a call failed; return how many have failed in a row."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hset(_key(source), "error", error)
        pipeline.hincrby(f"{prefix(source)}:figures", "feed_errors", 1)
        pipeline.hincrby(_key(source), "failures", 1)
        return int(pipeline.execute()[-1])

    def pause(self, source: str, seconds: float) -> None:
        """Do not call this Odoo for so many seconds."""
        until = self._connection.now() + int(seconds * 1e6)
        self._redis.hset(_key(source), "away_until", until)


def _key(source: str) -> str:
    return f"{prefix(source)}:feed"
