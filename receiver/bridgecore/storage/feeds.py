"""The cursor of each source's feed, and whether its Odoo answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

from bridgecore.errors import StateLost
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


class Pull(NamedTuple):
    """One reading of a feed, from its begin to its end."""

    source: str
    #: random text that only this pull knows
    token: str
    #: the stored cursor
    cursor: int


class Feeds:
    """One hash in Redis per source.

    Parameters:
        run_id: tells the `run_id` of the server that Redis' connections lead to.
    """

    def __init__(self, connection: Connection, run_id: Callable[[], str]) -> None:
        self._connection = connection
        self._run_id = run_id
        self._redis = connection.redis
        self._note_page = connection.script("note_page")

    def cursor(self, source: str) -> int:
        return int(self._redis.hget(_key(source), "cursor") or 0)

    def begin_pull(self, source: str) -> "Pull":
        """Note that a pull begins. A pull that began before can write nothing any more."""
        token = uuid4().hex
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset(_key(source), "pull", token)
        if run_id := self._run_id():  # it is missing after a wipe
            pipeline.hsetnx(_key(source), "run_id", run_id)
        pipeline.hget(_key(source), "cursor")
        return Pull(source, token, int(pipeline.execute()[-1] or 0))

    def note_page(self, pull: "Pull", cursor: int, is_end: bool) -> "Pull":
        """Note that a page was accepted; return the pull as it stands now.

        Parameters:
            cursor: the cursor after the page.
            is_end: the feed has no more pages.

        Raises:
            StateLost: Redis lost its data since the pull began, or another pull has begun.
        """
        if not self._note_page(pull.source, pull.token, pull.cursor, cursor, int(is_end)):
            raise StateLost
        return pull._replace(cursor=cursor)

    def health(self, source: str) -> Health:
        fields: Any = self._redis.hgetall(_key(source))
        return Health(
            int(fields.get("failures", 0)),
            int(fields.get("away_until", 0)),
            fields.get("error", ""),
            int(fields.get("read_at", 0)),
        )

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
