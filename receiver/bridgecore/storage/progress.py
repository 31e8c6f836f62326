"""Notes what a worker has done with the events of its batch, without waiting for Redis."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hiredis import pack_command
from redis.exceptions import RedisError

from bridgecore.config.settings import Settings
from bridgecore.storage.batches import handler_fields
from bridgecore.storage.claimed_events import ClaimedEvent
from bridgecore.storage.connection import Connection, prefix

log = logging.getLogger(__name__)


class Progress:
    """Opens the notes of a batch.

    If the worker dies, another worker claims its records and sees in the notes which handlers have
    succeeded.

    A note reaches Redis even if the worker is killed after sending it, because the kernel has it
    then. The kernel collects notes and delivers many at once. Redis' replies are switched off:
    if replies were unread when the worker is killed, the kernel would reset the connection and
    drop the notes that are under way.

    If Redis is away or refuses writes, notes may be lost. The worker lives on in that case, and
    `Batches.settle` writes the results. A note may reach Redis after the results; it undoes none.
    """

    def __init__(self, settings: Settings) -> None:
        self._pool: Any = Connection(
            settings, redis_connect_func=_connect_without_replies
        ).redis.connection_pool

    def close(self) -> None:
        """Close the connections that no batch uses."""
        self._pool.disconnect(inuse_connections=False)

    @contextmanager
    def open(self) -> Iterator["Notes"]:
        """Provide the notes of one batch. The first `send` connects them."""
        notes = Notes(self._pool)
        try:
            yield notes
        finally:
            notes.close()


class Notes:
    """The notes about one batch. `send` sends the notes that were added since its last call."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connection: Any = None
        self._notes: list[tuple[object, ...]] = []
        #: sending failed, so notes may be lost
        self.is_broken = False

    def add_attempt(self, claimed: ClaimedEvent) -> None:
        """Note that an attempt begins. It counts even if it kills the worker."""
        self._notes.append(("HINCRBY", _memory(claimed), "attempts", 1))

    def add_success(self, claimed: ClaimedEvent, handler: str) -> None:
        """Note that this handler has succeeded and must not get the event again."""
        self._notes.append(("HSET", _memory(claimed), *handler_fields([handler])))

    def add_handled(self, claimed: ClaimedEvent, moment: int) -> None:
        """Note that all handlers have succeeded and none must get the event again.

        Parameters:
            moment: Redis' time in microseconds.
        """
        self._notes.append(("HSET", _memory(claimed), "handled_at", moment))

    def send(self) -> None:
        """Send the notes. They are safe from then on, unless `is_broken` is set."""
        if not self._notes or self.is_broken:
            return
        try:
            if self._connection is None:
                self._connection = self._pool.get_connection()
            # hiredis packs commands in a third of the time that redis-py takes.
            packed = b"".join(pack_command(note) for note in self._notes)  # type: ignore[arg-type]
            self._connection.send_packed_command([packed])
        except RedisError as error:
            log.warning("progress notes not sent error=%s", type(error).__name__)
            self.is_broken = True
        self._notes.clear()

    def close(self) -> None:
        """Give the connection back. Unsent notes are dropped: `Batches.settle` writes results."""
        if self._connection is not None:
            _cork(self._connection, False)  # the kernel sends what it has collected
            _cork(self._connection, True)
            self._pool.release(self._connection)


def _memory(claimed: ClaimedEvent) -> str:
    """Return the Redis key of the event's memory."""
    return f"{prefix(claimed.lease.source)}:event:{claimed.event.key}"


def _connect_without_replies(connection: Any) -> None:
    """Set up a new connection, and have Redis send no replies on it."""
    connection.on_connect()
    connection.send_command("CLIENT", "REPLY", "ON")
    # This is the last reply. It raises an error if the Redis user may not use CLIENT REPLY.
    connection.read_response()
    connection.send_command("CLIENT", "REPLY", "OFF")
    _cork(connection, True)


def _cork(connection: Any, collect: bool) -> None:
    """Have the kernel collect what is sent, for 0.2 s at most, or send it now (TCP_CORK, tcp(7)).

    Sending a packet costs several times as much as a note.
    """
    sock = connection._sock  # redis-py offers no public way
    if sock is not None and sock.family != socket.AF_UNIX and hasattr(socket, "TCP_CORK"):
        with suppress(OSError):  # the connection is closed
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, collect)
