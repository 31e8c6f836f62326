"""The commands that run the receiver: one for each role, and `serve` for all roles."""

import logging
import os
import time

import click

from bridgecore.cli.common import data_dir, errors_as_messages, start
from bridgecore.errors import QueueUnavailable
from bridgecore.queue.messages import WORKERS
from bridgecore.running import supervisor
from bridgecore.running.garbage import collect_rarely
from bridgecore.runtime import Runtime
from bridgecore.watching.logs import log_what_celery_prints

log = logging.getLogger(__name__)

#: seconds between two tries to reach the broker
_BROKER_INTERVAL = 1


@click.command()
@data_dir
@errors_as_messages
def serve() -> None:
    """Run API, workers and beat together.

    If neither BRIDGECORE_REDIS_URL nor REDIS_URL is set, a Redis-compatible server runs with them.
    It keeps its data in --data-dir; without that, the data are gone when the command ends.
    """
    parts = start()
    _ = parts.registry  # imports the handler modules: an error in one ends the command here
    raise SystemExit(supervisor.serve(parts.settings.data_dir))


@click.command()
@errors_as_messages
def api() -> None:
    """Run the API: the HTTP endpoint."""
    # Imported only here: the other roles start faster without a web framework.
    from bridgecore.api.server import run

    run(start())


@click.command()
@click.option("--only", type=click.Choice(list(WORKERS)), help="Run only this worker.")
@errors_as_messages
def worker(only: str | None) -> None:
    """Run the workers: `high` for events of high priority, `default` for all events, `feed` for
    calls to Odoo."""
    parts = start()
    _ = parts.registry
    if only is None:
        raise SystemExit(supervisor.supervise(*supervisor.WORKER_COMMANDS))
    log_what_celery_prints()
    if only != "feed" and (problem := parts.registry.problem):
        log.warning(problem)
    collect_rarely()
    parts.worker = only
    parts.celery.worker_main(
        [
            "--quiet",  # no banner, because it would not look like a log line
            "worker",
            f"--hostname={only}-{os.getpid()}@%h",
            f"--queues={','.join(WORKERS[only])}",
            f"--concurrency={getattr(parts.settings, f'{only}_concurrency')}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",  # unused; without a broker, sending it would block for ever
        ]
    )


@click.command()
@errors_as_messages
def beat() -> None:
    """Run beat, which starts pulls at intervals. One is enough; several do no harm."""
    parts = start()
    _pull_as_soon_as_possible(parts)
    parts.celery.Beat(quiet=True).run()


def _pull_as_soon_as_possible(parts: Runtime) -> None:
    """Start a pull now, so that waiting events need not wait for the first interval to pass.

    Wait for the broker if necessary, as the other roles do: after a reboot the broker may be the
    last to start.
    """
    warned = False
    while True:
        try:
            return parts.messages.pull(None)
        except QueueUnavailable as error:
            if not warned:
                log.warning("waiting for %s: %s", parts.settings.broker_location, error)
            warned = True
            time.sleep(_BROKER_INTERVAL)


COMMANDS = (serve, api, worker, beat)
