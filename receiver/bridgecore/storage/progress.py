"""What is done with the events in hand, told to Redis without waiting for an answer."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hiredis import pack_command
from redis.exceptions import RedisError

from bridgecore.config.settings import Settings
from bridgecore.storage.batches import handler_fields
from bridgecore.storage.claimed import ClaimedEvent
from bridgecore.storage.connection import Connection, prefix

log = logging.getLogger(__name__)


class Progress:
    """Notes for whoever takes over the events of a worker that dies.

    What is sent arrives, also if its sender is killed: it is the kernel's from then on, which
    collects notes and delivers many at once. (Answers are switched off, because with unread ones
    the kernel would reset the connection and drop what is under way.) If Redis goes away, or takes
    no writes, a note may be lost; but then its sender lives, and `Batches.settle` says again what
    was handled. A note may also come after that: none takes anything back.
    """

    def __init__(self, settings: Settings) -> None:
        self._pool: Any = Connection(settings, redis_connect_func=_silence).redis.connection_pool

    def close(self) -> None:
        """Close the connections that no batch has in hand."""
        self._pool.disconnect(inuse_connections=False)

    @contextmanager
    def open(self) -> Iterator["Notes"]:
        """A line for one batch; it is connected when there is something to be said."""
        line = Notes(self._pool)
        try:
            yield line
        finally:
            line.close()


class Notes:
    """Collects notes and sends them together."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connection: Any = None
        self._notes: list[tuple[object, ...]] = []
        #: notes may have been lost
        self.is_broken = False

    def begins(self, claimed: ClaimedEvent) -> None:
        """An attempt at this event counts from its beginning."""
        self._notes.append(("HINCRBY", _memory(claimed), "attempts", 1))

    def succeeded(self, claimed: ClaimedEvent, handler: str) -> None:
        """This handler must not get this event again."""
        self._notes.append(("HSET", _memory(claimed), *handler_fields([handler])))

    def handled(self, claimed: ClaimedEvent, moment: int) -> None:
        """No handler must get this event again. In Redis' time, in microseconds."""
        self._notes.append(("HSET", _memory(claimed), "handled_at", moment))

    def send(self) -> None:
        """Send what was noted. Unless the line is broken, it may be relied on from now on."""
        if not self._notes or self.is_broken:
            return
        try:
            if self._connection is None:
                self._connection = self._pool.get_connection()
            # redis-py's own packing would take three times as long.
            packed = b"".join(pack_command(note) for note in self._notes)  # type: ignore[arg-type]
            self._connection.send_packed_command([packed])
        except RedisError as error:
            log.warning("notes not sent error=%s", type(error).__name__)
            self.is_broken = True
        self._notes.clear()

    def close(self) -> None:
        """Give the connection back. What was not sent is dropped: `Batches.settle` says it."""
        if self._connection is not None:
            _collect(self._connection, False)  # what is collected goes
            _collect(self._connection, True)
            self._pool.release(self._connection)


def _memory(claimed: ClaimedEvent) -> str:
    return f"{prefix(claimed.lease.source)}:event:{claimed.event.key}"


def _silence(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("CLIENT", "REPLY", "ON")
    connection.read_response()  # whoever may not say so learns it here, from the last answer
    connection.send_command("CLIENT", "REPLY", "OFF")
    _collect(connection, True)


def _collect(connection: Any, collecting: bool) -> None:
    """Have the kernel collect what is sent, for 0.2 s at most, or deliver it (TCP_CORK, tcp(7)).

    A delivery costs several times as much as a note.
    """
    sock = connection._sock  # redis-py has no other way to it
    if sock is not None and sock.family != socket.AF_UNIX and hasattr(socket, "TCP_CORK"):
        with suppress(OSError):  # the connection has gone
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, collecting)
