"""Handlers that have been running for long: which worker calls which handler for which event."""

import json
from typing import Any, NamedTuple

from bridgecore.storage.connection import Connection, prefix

#: seconds between two notes of a process, at most
INTERVAL = 5.0
#: seconds after which a note that was not written anew says nothing: its process has died
MAX_AGE = 4 * INTERVAL


class SlowCall(NamedTuple):
    """A handler that was still running when its process last looked."""

    #: idempotency key of the event
    event: str
    handler: str
    #: name of the worker (`high`, `default`), its host and its process
    worker: str
    host: str
    pid: int
    #: seconds since the handler was called
    seconds: float


class SlowCalls:
    """A hash per source, with one field per process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis

    def note(self, source: str, call: SlowCall) -> None:
        """Write down what a process is doing, in place of what it did before."""
        entry = {**call._asdict(), "seen_at": self._connection.now()}
        self._redis.hset(_key(source), f"{call.host}:{call.pid}", json.dumps(entry))

    def clear(self, source: str, host: str, pid: int) -> None:
        """Note that the handler of a process has ended."""
        self._redis.hdel(_key(source), f"{host}:{pid}")

    def read(self, source: str) -> list[SlowCall]:
        """Return the handlers that are running, the longest first; forget processes that died."""
        entries: Any = self._redis.hgetall(_key(source))
        if not entries:
            return []
        now, calls = self._connection.now(), []
        for field, text in entries.items():
            entry = json.loads(text)
            age = (now - entry.pop("seen_at")) / 1e6
            if age > MAX_AGE:
                self._redis.hdel(_key(source), field)
            else:
                call = SlowCall(**entry)
                calls.append(call._replace(seconds=call.seconds + age))
        return sorted(calls, key=lambda call: -call.seconds)


def _key(source: str) -> str:
    return f"{prefix(source)}:slow"
