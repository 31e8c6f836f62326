"""The processes that take part: Redis, the receiver's roles, an Odoo, and the bare endpoint."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bridgecore.config.settings import load_settings
from bridgecore.runtime import Runtime

from benchmarks.receiver.events import SOURCE
from benchmarks.receiver.load import SECRET
from devstack.cache import REPO
from devstack.process import Child, free_port, listens
from devstack.receiver import Receiver
from devstack.redis_server import redis_server

#: of the load, unless it says otherwise
CONNECTIONS = 16


class Stage:
    """Everything running, with empty storage."""

    def __init__(self, receiver: Receiver, bare_port: int) -> None:
        self.receiver = receiver
        self.bare_port = bare_port
        #: what the receiver has stored
        self.parts = Runtime(
            load_settings({"BRIDGECORE_REDIS_URL": receiver.redis_url, **receiver.settings})
        )
        self._next = 0

    def numbers(self, count: int) -> int:
        """The first of so many numbers of events that were not used before."""
        first = self._next
        self._next += count
        return first

    def load(
        self, port: int, path: str, events: int, size: int, connections: int = CONNECTIONS
    ) -> dict[str, Any]:
        """Send new events, `size` in a request; what was measured."""
        numbers = (self.numbers(events), events, size, connections)
        done = subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "-m", "benchmarks.receiver.load", str(port), path, *map(str, numbers)],
            capture_output=True,
            text=True,
            check=True,
            cwd=REPO,
            env=_environment(),
        )
        measured: dict[str, Any] = json.loads(done.stdout)
        if set(measured["answers"]) != {"200"}:
            raise RuntimeError(f"not all requests were accepted: {measured['answers']}")
        return measured

    def waiting(self) -> int:
        return self.parts.storage.figures.read(SOURCE).queued


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def _server(name: str) -> tuple[Child, int]:
    port = free_port()
    command = [sys.executable, "-m", f"benchmarks.receiver.{name}", str(port)]
    child = Child(name, command, environment=_environment(), cwd=REPO)
    child.wait_until(listens(port), timeout=30)
    return child, port


@contextmanager
def stage(stored: int) -> Iterator[Stage]:
    """Start them; `stored` events will be kept."""
    with ExitStack() as exits:
        redis_url = exits.enter_context(redis_server())
        odoo, odoo_port = _server("odoo")
        exits.callback(odoo.stop)
        bare, bare_port = _server("bare")
        exits.callback(bare.stop)
        source = {
            "id": SOURCE,
            "url": f"http://127.0.0.1:{odoo_port}",
            "feed_key": "key",
            "signing_secrets": ["whsec_" + base64.b64encode(SECRET).decode()],
        }
        settings = {
            "BRIDGECORE_SOURCES": json.dumps([source]),
            "BRIDGECORE_HANDLERS": "benchmarks.receiver.handlers",
            "BRIDGECORE_MAX_STORED_EVENTS": str(2 * stored),
        }
        receiver = Receiver(redis_url, settings)
        exits.callback(receiver.stop)
        receiver.start("api")
        made = Stage(receiver, bare_port)
        made.parts.pulling.pull(SOURCE)  # before that, the receiver accepts no pushes
        yield made
