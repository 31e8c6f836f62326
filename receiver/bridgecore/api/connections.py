"""Keeps strangers from using up the API: an HTTP protocol for uvicorn that has limits.

uvicorn and httptools bound neither the headers of a request nor the time that it takes to arrive.
This module uses attributes of both that are not documented; the test
`test_uvicorn_has_what_the_bounded_protocol_uses` fails when a new version moves one.
"""

import asyncio
import json
import logging
import time
from collections import Counter
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridgecore.api.limits import Limits

log = logging.getLogger(__name__)

#: seconds in which each reason to refuse a connection gets one line in the log
_LOG_PERIOD = 10
#: Connections at the same time that have got the answer that refuses them and may still read it.
#: If there are more, they are cut without one. Part of `limits.RESERVED_FILES`.
_MOST_LEAVING = 16

#: Requests that wait on one connection for the answers to those before them. Clients that send
#: requests ahead are rare, and each request that waits takes memory.
_MOST_PIPELINED = 16

#: what uvicorn logs for each request that is not HTTP
_NOT_HTTP = "Invalid HTTP request received."

#: for each status: the code and the message of the error
_ERRORS = {
    400: ("invalid_request", "The request is not valid HTTP/1.1."),
    408: ("request_timeout", "The request did not arrive in time: send it again."),
    431: ("headers_too_large", "The headers of the request are larger than 64 kB: send fewer."),
    503: ("too_many_connections", "The receiver has too many connections: try again later."),
}


class Connections:
    """All connections of a server, and which of them go first when there are too many."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        #: those that wait for their next request, the longest waiting first, and since when
        self.idle: dict[BoundedProtocol, float] = {}
        #: those that have not sent the headers of a request completely, the oldest first
        self.unfinished: dict[BoundedProtocol, None] = {}
        #: those that have got their last answer and are about to be cut
        self.leaving: set[BoundedProtocol] = set()
        self._refusals: Counter[int] = Counter()
        self._period_end = 0.0

    def protocol(self, **arguments: Any) -> "BoundedProtocol":
        """Return the protocol of a new connection. uvicorn calls this with its own arguments."""
        return BoundedProtocol(self, **arguments)

    def make_room(self) -> bool:
        """Close a connection that does nothing; return whether there was one.

        An idle one goes first: its client knows that this may happen at any time, and sends again.
        Then the one that has had only a part of its headers for the longest time: those of a real
        sender come at once.
        """
        for connections in (self.idle, self.unfinished):
            for connection in connections:
                connection.cut()
                return True
        return False

    def note_refusal(self, status: int, client: str) -> None:
        """Log a refused connection, unless the same was logged in this period."""
        now = time.monotonic()
        if now > self._period_end:
            for earlier, times in self._refusals.items():
                if times > 1:
                    log.warning(
                        "more connections refused left_out=%d status=%d", times - 1, earlier
                    )
            self._refusals.clear()
            self._period_end = now + _LOG_PERIOD
        self._refusals[status] += 1
        if self._refusals[status] == 1:
            code, _message = _ERRORS[status]
            log.warning("connection refused status=%d code=%s client=%s", status, code, client)

    def forget(self, connection: "BoundedProtocol") -> None:
        self.idle.pop(connection, None)
        self.unfinished.pop(connection, None)
        self.leaving.discard(connection)


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client.

    A request *arrives* from its first byte to its last one. One timer for the whole life of the
    connection looks at the times, so that a request needs no timer of its own.
    """

    def __init__(self, all_connections: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._all = all_connections
        self._limits = all_connections.limits
        #: when the request that is arriving began; None if none is arriving
        self._began: float | None = None
        #: the headers of the request that is arriving are complete, and `cycle` answers it
        self._has_headers = False
        #: bytes since the last byte of a body
        self._bytes_of_headers = 0
        #: The connection has got its last answer, or none: what comes is thrown away.
        self._refused = False
        #: what the client had not taken yet when the timer looked last, in bytes
        self._untaken = 0
        #: when the client was last seen to take something
        self._taken_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections and not self._all.make_room():
            self._refuse(503)
            return
        self._began = self._taken_at = self.loop.time()
        self._all.unfinished[self] = None
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._began is None:
            self._began = self.loop.time()
            self._all.idle.pop(self, None)
        self._bytes_of_headers += len(data)
        super().data_received(data)
        if self._bytes_of_headers > self._limits.header_bytes:
            self._refuse(431)
        elif self._began is not None and not self._has_headers and not self._refused:
            self._all.unfinished[self] = None

    def resume_writing(self) -> None:
        self._taken_at = self.loop.time()
        super().resume_writing()

    def cut(self) -> None:
        """Close the connection at once, without an answer."""
        self._forget()
        self._refused = True
        self._disconnect()
        self.transport.abort()

    # The parser's callbacks

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        self._all.unfinished.pop(self, None)
        self._bytes_of_headers = 0
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.header_bytes:
            self._refuse(431)
        elif len(self.pipeline) >= _MOST_PIPELINED:
            self.cut()
        else:
            super().on_headers_complete()
            self._has_headers = True

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            self._bytes_of_headers = 0
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            self._began = None
            self._has_headers = False
            self._bytes_of_headers = 0
            super().on_message_complete()
            if self.cycle.response_complete:  # the answer was faster than the body
                self._all.idle[self] = self.loop.time()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._began is None and self.cycle.response_complete and not self._refused:
            self._all.idle[self] = self.loop.time()

    # Refusing

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP. uvicorn calls this."""
        self._refuse(400)

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: a client that asks for a WebSocket gets the answer to its plain request."""

    def _refuse(self, status: int) -> None:
        """Answer with an error and close the connection; only close it if an answer has begun.

        If a connection is closed while something unread has arrived, the system resets it, and the
        client may not see the answer. So what comes is read for a moment and thrown away.
        """
        if self._refused:
            return
        self._all.note_refusal(status, str(self.client[0]) if self.client else "-")
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            answered = self._has_headers
        else:
            answered = not self._has_headers or cycle.response_started
        if (
            answered
            or len(self._all.leaving) >= _MOST_LEAVING
            or not self.transport.can_write_eof()
        ):
            self.cut()
            return
        self._forget()
        self._refused = True
        self._disconnect()
        self.transport.write(_answer(status))
        self.transport.write_eof()
        self.flow.resume_reading()
        self._all.leaving.add(self)
        self._timer = self.loop.call_later(self._limits.farewell_time, self.transport.abort)

    def _disconnect(self) -> None:
        """Tell the application, if it is answering, that the client is gone."""
        self.connections.discard(self)
        self.pipeline.clear()
        self._unset_keepalive_if_required()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _forget(self) -> None:
        self._all.forget(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Time

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(self._limits.look_interval, self._look)

    def _look(self) -> None:
        """End the connection if the client has taken too much time."""
        self._look_later()
        now, limits = self.loop.time(), self._limits
        untaken = self.transport.get_write_buffer_size()
        if untaken < self._untaken or not untaken:
            self._taken_at = now
        self._untaken = untaken
        idle_since = self._all.idle.get(self, now)
        if now - self._taken_at > limits.request_time or now - idle_since > limits.idle_time:
            self.cut()
        elif self._began is not None:
            if self.flow.read_paused:  # the API itself keeps the request waiting
                self._began += limits.look_interval
            if now - self._began > (
                limits.request_time if self._has_headers else limits.header_time
            ):
                if self._has_headers or self._bytes_of_headers:
                    self._refuse(408)
                else:
                    self.cut()  # a client that has sent nothing expects no answer


def is_bounded(record: logging.LogRecord) -> bool:
    """Return False for a line of uvicorn that strangers can cause without end.

    A filter for uvicorn's logger. `Connections.note_refusal` logs the same.
    """
    return record.msg != _NOT_HTTP


def _answer(status: int) -> bytes:
    """Return a whole answer, in the form of all errors of the API."""
    code, message = _ERRORS[status]
    body = json.dumps({"success": False, "error": {"code": code, "message": message}})
    headers = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *(["retry-after: 10"] if status == 503 else []),
    ]
    return "\r\n".join((*headers, "", body)).encode()
