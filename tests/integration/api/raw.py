"""Requests that no HTTP library would send: half of one, or one that is too large."""

import json
import socket
import time
from typing import Any, NamedTuple

from tests.integration.served import Served


class Answer(NamedTuple):
    status: int
    #: of the error; empty if there is none
    code: str
    #: seconds until it came
    after: float


def connect(served: Served, **options: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=20, **options)


def head(method: str, path: str, **headers: str | int) -> bytes:
    """The first line and the headers of a request; `_` in a name stands for `-`."""
    lines = [f"{method} {path} HTTP/1.1", "host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode()


def answer_to(served: Served, *parts: bytes) -> Answer:
    """Send these bytes and nothing more, and return the answer."""
    with connect(served) as connection:
        for part in parts:
            connection.sendall(part)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    began = time.monotonic()
    with connection.makefile("rb") as file:
        status = int(file.readline().split(b" ")[1])
        after = time.monotonic() - began
        length = 0
        while (line := file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        body = json.loads(file.read(length) or "{}")
    return Answer(status, body.get("error", {}).get("code", ""), after)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed the connection; what it has sent before is thrown away."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True
