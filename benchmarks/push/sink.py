"""The endpoint: notes when a request has arrived, answers 200, and does nothing else.

It refuses a request that contains `REFUSED`.

It has a process of its own, and as little to do for a request as Python allows, so that it is not
what is measured.
"""

from __future__ import annotations

import gc
import multiprocessing
import re
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from devstack import DevstackError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_ACCEPTED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_NOT_ACCEPTED = b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 0\r\n\r\n"
_READ = 1 << 18

#: An event with this text is refused
REFUSED = b"refused by the endpoint"


@dataclass(frozen=True)
class Arrival:
    """A request that was accepted."""

    #: when all of it was there, on the monotonic clock
    nanoseconds: int
    body: bytes


@dataclass(frozen=True)
class Sink:
    """The endpoint, seen from the benchmark."""

    url: str
    _pipe: Connection

    def wait(self, count: int, timeout: float) -> bool:
        """Wait until so many requests have arrived since the last `take`; timeout in seconds."""
        arrived: bool = self._ask("wait", (count, timeout), timeout + 10)
        return arrived

    def count(self) -> int:
        """How many requests have arrived since the last `take`."""
        count: int = self._ask("count")
        return count

    def take(self) -> list[Arrival]:
        """All requests that have arrived since the last time, in order."""
        taken: list[tuple[int, bytes]] = self._ask("take")
        return [Arrival(*arrival) for arrival in taken]

    def _ask(self, what: str, argument: object = None, timeout: float = 60) -> Any:
        try:
            self._pipe.send((what, argument))
            if self._pipe.poll(timeout):
                return self._pipe.recv()
        except (EOFError, OSError):
            pass
        raise DevstackError("The benchmark's endpoint died.")


@contextmanager
def sink() -> Iterator[Sink]:
    """An endpoint that listens while the block runs."""
    spawn = multiprocessing.get_context("spawn")
    ours, its = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(its,), daemon=True)
    process.start()
    its.close()
    try:
        if not ours.poll(30):
            raise DevstackError("The benchmark's endpoint did not start.")
        yield Sink(f"http://127.0.0.1:{ours.recv()}/hook", ours)
    finally:
        ours.close()  # ends it
        process.join(10)
        process.kill()


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever reads the figures
    gc.disable()  # it would look at all arrivals again and again
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        pipe.send(listener.getsockname()[1])
        _Server(listener, pipe).run()


@dataclass
class _Server:
    """The loop of the endpoint's process."""

    listener: socket.socket
    pipe: Connection
    arrivals: list[tuple[int, bytes]] = field(default_factory=list)
    #: how many arrivals somebody waits for, and until when
    awaited: tuple[int, float] | None = None
    #: what of a request has been read, by connection
    unread: dict[int, tuple[socket.socket, bytes]] = field(default_factory=dict)

    def run(self) -> None:
        poll = select.epoll()
        poll.register(self.listener, select.EPOLLIN)
        poll.register(self.pipe, select.EPOLLIN)
        listening, orders = self.listener.fileno(), self.pipe.fileno()
        while True:
            for number, _event in poll.poll(self._patience()):
                if number == listening:
                    connection, _address = self.listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.unread[connection.fileno()] = connection, b""
                    poll.register(connection, select.EPOLLIN)
                elif number != orders:
                    self._read(number)
                elif not self._obey():
                    return
            if self.awaited:
                self._tell()

    def _read(self, number: int) -> None:
        connection, data = self.unread[number]
        try:
            more = connection.recv(_READ)
            now = time.monotonic_ns()
            data += more
            while more and (request := _request(data)):
                head, body, data = request
                if REFUSED in body:
                    connection.sendall(_NOT_ACCEPTED)
                else:
                    self.arrivals.append((now, body))
                    connection.sendall(_ACCEPTED)
                if _CLOSE.search(head):
                    more = b""
        except ConnectionError:
            more = b""
        if more:
            self.unread[number] = connection, data
        else:
            del self.unread[number]
            connection.close()  # takes it out of the epoll, too

    def _obey(self) -> bool:
        try:
            what, argument = self.pipe.recv()
        except EOFError:
            return False
        if what == "wait":
            count, timeout = argument
            self.awaited = count, time.monotonic() + timeout
        elif what == "count":
            self.pipe.send(len(self.arrivals))
        elif what == "take":
            taken, self.arrivals = self.arrivals, []
            self.pipe.send(taken)
        return True

    def _patience(self) -> float | None:
        return max(0.0, self.awaited[1] - time.monotonic()) if self.awaited else None

    def _tell(self) -> None:
        """Answer whoever waits, if it is time."""
        assert self.awaited is not None  # noqa: S101 - the caller has looked
        count, until = self.awaited
        if len(self.arrivals) >= count or time.monotonic() >= until:
            self.awaited = None
            self.pipe.send(len(self.arrivals) >= count)


def _request(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """A whole request from the start of what was read, and what follows it: head, body, rest."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end]
    length = _LENGTH.search(head)
    if not length:
        raise ValueError(f"A request without Content-Length: {head!r}")
    stop = end + 4 + int(length[1])
    if len(data) < stop:
        return None
    return head, data[end + 4 : stop], data[stop:]
