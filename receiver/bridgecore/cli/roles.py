"""One role per command, or all of them together."""

import logging
import os
import time

import click

from bridgecore.cli.common import data_dir, errors_in_words, start
from bridgecore.errors import QueueUnavailable
from bridgecore.queue.messages import WORKERS
from bridgecore.running import supervisor
from bridgecore.running.garbage import collect_rarely
from bridgecore.runtime import Runtime
from bridgecore.watching.logs import log_what_celery_prints

log = logging.getLogger(__name__)

#: seconds between two looks whether the broker has come
_BROKER_INTERVAL = 1

log = logging.getLogger(__name__)


@click.command()
@data_dir
@errors_in_words
def serve() -> None:
    """API, workers and beat in one command.

    Without BRIDGECORE_REDIS_URL or REDIS_URL it brings its own Redis-compatible server. Without
    --data-dir what that knows ends with the process.
    """
    parts = start()
    _ = parts.registry  # a wrong handler module ends it here, not in a child
    raise SystemExit(supervisor.serve(parts.settings.data_dir))


@click.command()
@errors_in_words
def api() -> None:
    """The HTTP endpoint."""
    # The other roles need no web framework, and start faster without.
    from bridgecore.api.server import run

    run(start())


@click.command()
@click.option("--only", type=click.Choice(list(WORKERS)), help="One of the workers.")
@errors_in_words
def worker(only: str | None) -> None:
    """The workers: one for events of high priority, one for all, one for calls to Odoo."""
    parts = start()
    _ = parts.registry
    if only is None:
        raise SystemExit(supervisor.supervise(*supervisor.WORKER_COMMANDS))
    log_what_celery_prints()
    if only != "feed" and (problem := parts.registry.problem):
        log.warning(problem)
    collect_rarely()
    parts.celery.worker_main(
        [
            "--quiet",  # no banner: it is no line of a log
            "worker",
            f"--hostname={only}-{os.getpid()}@%h",
            f"--queues={','.join(WORKERS[only])}",
            f"--concurrency={getattr(parts.settings, f'{only}_concurrency')}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",  # nobody listens, and without a broker it would wait for ever
        ]
    )


@click.command()
@errors_in_words
def beat() -> None:
    """The clock that starts pulls. One is enough; several do no harm."""
    parts = start()
    _pull_once(parts)
    parts.celery.Beat(quiet=True).run()


def _pull_once(parts: Runtime) -> None:
    """What waits since the last run should not wait for the first tick; the broker is waited for.

    The other roles wait, too: after a reboot the broker may be the last to come.
    """
    told = False
    while True:
        try:
            return parts.messages.pull(None)
        except QueueUnavailable as error:
            if not told:
                log.warning("waiting for %s: %s", parts.settings.broker_at, error)
            told = True
            time.sleep(_BROKER_INTERVAL)


COMMANDS = (serve, api, worker, beat)
