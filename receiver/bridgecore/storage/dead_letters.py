"""The dead letters: events that were given up, until an operator replays or discards them."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from bridgecore.config.settings import Settings
from bridgecore.storage.connection import Connection, prefix
from bridgecore.storage.history import History, Known
from bridgecore.storage.inbox import committed_at

#: dead letters that one call of a script changes
_CHUNK = 500


class DeadLetters:
    """The dead letters of each source. Their age and their number are limited."""

    def __init__(self, connection: Connection, settings: Settings, history: History) -> None:
        self._connection = connection
        self._redis = connection.redis
        self._settings = settings
        self._history = history
        self._replay = connection.script("replay")
        self._discard = connection.script("discard")

    def keys(self, source: str, model: str | None = None) -> list[str]:
        """Return the keys of the dead letters, oldest first.

        Parameters:
            model: a name or a pattern such as `sale.*`; None for all models.
        """
        keys: Any = self._redis.zrange(f"{prefix(source)}:dead", 0, -1)
        if model is None:
            return list(keys)
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(f"{prefix(source)}:event:{key}", "record")
        records = zip(keys, pipeline.execute(), strict=True)
        return [k for k, r in records if r and fnmatchcase(r.partition(":")[0], model)]

    def newest(self, source: str, limit: int, model: str | None = None) -> list[Known]:
        """Return the newest dead letters, newest first."""
        newest = self.keys(source, model)[-limit:]
        return self._history.known([(source, key) for key in reversed(newest)])

    def replay(self, source: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Queue dead letters again; return key and record of each.

        Keys of other events are passed over. Handlers that have succeeded are not called again.
        The caller has to send a message that names the records.
        """
        replayed: list[tuple[str, str]] = []
        for chunk in _chunks(keys):
            arguments: list[Any] = []
            for key in chunk:
                arguments += (committed_at(key), key)
            replayed += [(key, record) for key, record in self._replay(source, *arguments)]
        return replayed

    def discard(self, source: str, keys: Sequence[str]) -> list[str]:
        """Discard dead letters; return their keys. Keys of other events are passed over."""
        discarded: list[str] = []
        for chunk in _chunks(keys):
            discarded += self._discard(source, *chunk)
        return discarded

    def surplus(self, source: str) -> list[str]:
        """Return the keys of dead letters beyond the limits of age and number."""
        dead = f"{prefix(source)}:dead"
        oldest = self._connection.now() - int(self._settings.dead_retention * 1e6)
        old: Any = self._redis.zrangebyscore(dead, "-inf", oldest)
        excess = int(self._redis.zcard(dead)) - self._settings.max_dead_letters
        many: Any = self._redis.zrange(dead, 0, excess - 1) if excess > 0 else []
        return list(dict.fromkeys([*old, *many]))


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
