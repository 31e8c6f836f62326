"""The command `bridgecore check-worker`, which a container engine can use as a probe."""

import socket

import click

from bridgecore.cli.common import data_dir, errors_as_messages
from bridgecore.runtime import runtime
from bridgecore.watching.stuck import stuck_workers


@click.command("check-worker")
@data_dir
@errors_as_messages
def check_worker() -> None:
    """Fail if a worker of this host handles nothing any more, because its handlers hang.

    The exit status is 1 if each process of a worker has been in one handler for longer than
    BRIDGECORE_STUCK_AFTER, or if Redis cannot be used, else 0.
    """
    stuck = list(stuck_workers(runtime(), socket.gethostname()))
    for text in stuck:
        click.echo(text)
    if stuck:
        raise SystemExit(1)
    click.echo("ok")


COMMANDS = (check_worker,)
