"""The command line: one role per command, or all of them together."""

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from bridgecore import serving
from bridgecore.errors import SettingsError
from bridgecore.messages import QUEUES
from bridgecore.observability import configure_logging
from bridgecore.runtime import Runtime, runtime

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def _settings_in_words(command: Callable[P, R]) -> Callable[P, R]:
    """A wrong setting is a line that says what to set, not a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error

    return wrapped


def _start() -> Runtime:
    parts = runtime()
    configure_logging(parts.settings.log_level)
    if problem := parts.settings.problem:
        log.warning(problem)
    return parts


@click.group()
@click.version_option(package_name="bridgecore-receiver")
def main() -> None:
    """Receives the changes of Odoo databases, each once and in order.

    Settings are environment variables that start with BRIDGECORE_.
    """


@main.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the embedded Redis keeps its data; without it they end with the process.",
)
@_settings_in_words
def serve(data_dir: Path | None) -> None:
    """API, worker and beat in one command.

    Without BRIDGECORE_REDIS_URL or REDIS_URL it brings its own Redis-compatible server.
    """
    _ = _start().registry  # a wrong handler module ends it here, not in a child
    raise SystemExit(serving.serve(data_dir))


@main.command()
@_settings_in_words
def api() -> None:
    """The HTTP endpoint."""
    # The other roles need no web framework, and start faster without.
    import uvicorn

    from bridgecore.api import create_app

    parts = _start()
    # uvicorn closes connections after this many seconds without a request; senders' connection
    # pools should find them open.
    uvicorn.run(
        create_app(parts),
        host=parts.settings.host,
        port=parts.settings.port,
        log_config=None,
        access_log=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=30,
    )


@main.command()
@click.option("--queues", default=",".join(QUEUES), show_default=True, help="Served in this order.")
@_settings_in_words
def worker(queues: str) -> None:
    """The process pool that handles events."""
    parts = _start()
    _ = parts.registry
    parts.celery.worker_main(
        ["worker", f"--queues={queues}", "--without-gossip", "--without-mingle"]
    )


@main.command()
@_settings_in_words
def beat() -> None:
    """The clock that starts pulls. One is enough; several do no harm."""
    parts = _start()
    parts.messages.sync(None)  # what waits since the last run should not wait for the first tick
    parts.celery.Beat().run()


if __name__ == "__main__":
    main()
