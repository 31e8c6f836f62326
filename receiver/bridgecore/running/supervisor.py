"""Several roles under one supervisor."""

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
    """All roles, until a signal comes or one of them ends; the exit status.

    Parameters:
        data_dir: of the embedded Redis, if one is needed; None: a temporary one.
    """
    environment = dict(os.environ)
    with ExitStack() as stack:
        servers: list[Child] = []
        if not _names_a_redis(environment):
            folder = data_dir or Path(stack.enter_context(TemporaryDirectory(prefix="bridgecore-")))
            servers.append(embedded_redis(folder))
            environment["BRIDGECORE_REDIS_URL"] = embedded_url(folder)
            log.info("other commands find its Redis with BRIDGECORE_DATA_DIR=%s", folder.resolve())
        stack.callback(lambda: stop(*servers))  # last: the roles need it to their end
        return supervise(
            ("api",), *WORKER_COMMANDS, ("beat",), environment=environment, beside=servers
        )


def supervise(
    *commands: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    beside: Sequence[Child] = (),
) -> int:
    """Run our own commands until a signal comes or a child ends; the exit status."""
    signals: list[int] = []  # no Event: its lock is not safe in a signal handler
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))
    children: list[Child] = []
    try:
        for command in commands:
            whole = [sys.executable, "-m", "bridgecore.cli", *command]
            children.append(Child.start(" ".join(command), whole, environment))
        while not signals:
            for child in (*beside, *children):
                if child.process.poll() is not None:
                    log.error("%s ended, stopping everything", child.name)
                    return 1
            time.sleep(0.2)
        return 0
    finally:
        stop(*children)


def _names_a_redis(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("REDIS_URL")) or "redis_url" in read_settings(
        environment, Settings.model_fields
    )
