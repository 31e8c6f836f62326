"""Runs several roles as child processes, and ends all of them when one ends."""

import logging
import os
import signal
import sys
import time
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

WORKER_COMMANDS = tuple(("worker", "--only", worker) for worker in WORKERS)


def serve(data_dir: Path | None) -> int:
    """Run all roles until a signal comes or one of them ends. Return the exit status.

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
    """Run `bridgecore` commands until a signal comes or a child ends, then end all of them.

    Parameters:
        also_watch: children that the caller has started and will stop. If one of them ends, all
            commands are ended, too.

    Returns:
        The exit status: 0 after a signal, 1 if a child ended by itself.
    """
    signals: list[int] = []  # not an Event, whose lock is not safe in a signal handler
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))
    children: list[Child] = []
    try:
        for command in commands:
            command_line = [sys.executable, "-m", "bridgecore.cli", *command]
            children.append(Child.start(" ".join(command), command_line, environment))
        while not signals:
            for child in (*also_watch, *children):
                if child.process.poll() is not None:
                    log.error("%s ended, stopping all processes", child.name)
                    return 1
            time.sleep(0.2)
        return 0
    finally:
        stop(*children)


def _names_a_redis(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("REDIS_URL")) or "redis_url" in read_settings(
        environment, Settings.model_fields
    )
