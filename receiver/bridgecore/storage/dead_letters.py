"""Events that were given up: listed until they are replayed or discarded."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from bridgecore.config.settings import Settings
from bridgecore.storage.connection import Connection, prefix
from bridgecore.storage.history import History, Known
from bridgecore.storage.inbox import moment

#: keys that one script works on
_CHUNK = 500


class DeadLetters:
    """Bounded by age and number, too; then the oldest are discarded."""

    def __init__(self, connection: Connection, settings: Settings, history: History) -> None:
        self._connection = connection
        self._redis = connection.redis
        self._settings = settings
        self._history = history
        self._replay = connection.script("replay")
        self._discard = connection.script("discard")

    def keys(self, source: str, model: str | None = None) -> list[str]:
        """Of all dead letters, oldest first; of one model (or a pattern), if it is given."""
        keys: Any = self._redis.zrange(f"{prefix(source)}:dead", 0, -1)
        if model is None:
            return list(keys)
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(f"{prefix(source)}:event:{key}", "record")
        records = zip(keys, pipeline.execute(), strict=True)
        return [k for k, r in records if r and fnmatchcase(r.partition(":")[0], model)]

    def newest(self, source: str, limit: int, model: str | None = None) -> list[Known]:
        """What is known of the newest dead letters, newest first."""
        newest = self.keys(source, model)[-limit:]
        return self._history.known([(source, key) for key in reversed(newest)])

    def replay(self, source: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Queue them again; key and record of those that were dead letters.

        Handlers that have succeeded are not called again. Somebody has to be told that the
        records have work.
        """
        replayed: list[tuple[str, str]] = []
        for chunk in _chunks(keys):
            arguments: list[Any] = []
            for key in chunk:
                arguments += (moment(key), key)
            replayed += [(key, record) for key, record in self._replay(source, *arguments)]
        return replayed

    def discard(self, source: str, keys: Sequence[str]) -> list[str]:
        """Take them off the list; the keys of those that were on it."""
        discarded: list[str] = []
        for chunk in _chunks(keys):
            discarded += self._discard(source, *chunk)
        return discarded

    def surplus(self, source: str) -> list[str]:
        """Those that are too old, or the oldest of too many."""
        dead = f"{prefix(source)}:dead"
        oldest = self._connection.now() - int(self._settings.dead_retention * 1e6)
        old: Any = self._redis.zrangebyscore(dead, "-inf", oldest)
        excess = int(self._redis.zcard(dead)) - self._settings.max_dead_letters
        many: Any = self._redis.zrange(dead, 0, excess - 1) if excess > 0 else []
        return list(dict.fromkeys([*old, *many]))


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
