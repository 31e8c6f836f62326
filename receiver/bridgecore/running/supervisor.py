"""Runs several roles as child processes, and starts a role again that ends by itself."""

import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bridgecore.config.environment import read_settings
from bridgecore.config.redis_address import embedded_url
from bridgecore.config.settings import Settings
from bridgecore.queue.messages import WORKERS
from bridgecore.running.children import Child, stop
from bridgecore.running.embedded_redis import embedded_redis

log = logging.getLogger(__name__)

#: a role that fails within so many seconds of its start would only fail again
SHORT = 5
#: how often a role is started in a period of so many seconds, at most
MAX_STARTS, PERIOD = 5, 300

WORKER_COMMANDS = tuple(("worker", "--only", worker) for worker in WORKERS)


def serve(data_dir: Path | None) -> int:
    """Run all roles until a signal comes or one of them keeps ending. Return the exit status.

    If no Redis is configured, run the embedded one, too.

    Parameters:
        data_dir: data folder of the embedded Redis; None for a temporary folder.

    Raises:
        SettingsError: the embedded Redis cannot be started.
    """
    environment = dict(os.environ)
    with ExitStack() as stack:
        redis: list[Child] = []
        if not _names_a_redis(environment):
            folder = data_dir or Path(stack.enter_context(TemporaryDirectory(prefix="bridgecore-")))
            redis.append(embedded_redis(folder))
            environment["BRIDGECORE_REDIS_URL"] = embedded_url(folder)
            log.info(
                "embedded Redis started; other commands find it with BRIDGECORE_DATA_DIR=%s",
                folder.resolve(),
            )
        stack.callback(lambda: stop(*redis))  # after the roles, which need it to their end
        return supervise(
            ("api",), *WORKER_COMMANDS, ("beat",), environment=environment, also_watch=redis
        )


def supervise(
    *commands: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    also_watch: Sequence[Child] = (),
) -> int:
    """Run `bridgecore` commands until a signal comes; start a command again that ends by itself.

    If a command ends too often, or fails as soon as it was started, all commands are ended: then
    another start does not help.

    Parameters:
        also_watch: children that the caller has started and will stop. If one of them ends, all
            commands are ended, too.

    Returns:
        The exit status: 0 after a signal, 1 otherwise.
    """
    signals: list[int] = []  # not an Event, whose lock is not safe in a signal handler
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))
    roles: list[_Role] = []
    try:
        for command in commands:
            roles.append(_Role(command, environment))
        while not signals:
            for child in also_watch:
                if child.process.poll() is not None:
                    log.error("%s ended, stopping all processes", child.name)
                    return 1
            for role in roles:
                if not role.keep_running():
                    return 1
            time.sleep(0.2)
        return 0
    finally:
        stop(*(role.child for role in roles))


class _Role:
    """A `bridgecore` command that is to run."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._name = " ".join(command)
        self._command_line = [sys.executable, "-m", "bridgecore.cli", *command]
        self._environment = environment
        self._starts: deque[float] = deque(maxlen=MAX_STARTS)
        self._start()

    def _start(self) -> None:
        self._starts.append(time.monotonic())
        self.child = Child.start(self._name, self._command_line, self._environment)

    def keep_running(self) -> bool:
        """Start it again if it has ended; return False if that is of no use."""
        status = self.child.process.poll()
        if status is None:
            return True
        now = time.monotonic()
        cannot_start = status > 0 and len(self._starts) == 1 and now - self._starts[0] < SHORT
        too_often = len(self._starts) == MAX_STARTS and now - self._starts[0] < PERIOD
        if cannot_start or too_often:
            log.error("%s ended status=%d, stopping all processes", self._name, status)
            return False
        log.error("%s ended status=%d, starting it again", self._name, status)
        self._start()
        return True


def _names_a_redis(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("REDIS_URL")) or "redis_url" in read_settings(
        environment, Settings.model_fields
    )
