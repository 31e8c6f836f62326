"""What the commands share."""

import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from redis.exceptions import RedisError

from bridgecore.errors import BridgecoreError
from bridgecore.reasons import reason
from bridgecore.runtime import Runtime, runtime
from bridgecore.watching.logs import configure_logging

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def _set_data_dir(_context: click.Context, _parameter: click.Parameter, folder: str | None) -> None:
    if folder is not None:
        os.environ["BRIDGECORE_DATA_DIR"] = folder


#: the one setting that is also an option, because every command beside a `serve` needs it
data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    expose_value=False,
    callback=_set_data_dir,
    help="Of the Redis that `bridgecore serve` brings; or set BRIDGECORE_DATA_DIR.",
)


def errors_in_words(command: Callable[P, R]) -> Callable[P, R]:
    """What goes wrong is a line that says what to do, not a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BridgecoreError as error:
            raise click.ClickException(str(error)) from error
        except RedisError as error:
            where = runtime().settings.redis.where
            raise click.ClickException(
                f"Redis at {where} cannot be used ({reason(error)}): check BRIDGECORE_REDIS_URL, "
                "or name the --data-dir of `bridgecore serve`."
            ) from error

    return wrapped


def start() -> Runtime:
    """The parts for a role that runs and logs."""
    parts = runtime()
    configure_logging(parts.settings.log_level, parts.settings.log_format)
    if problem := parts.settings.problem:
        log.warning(problem)
    return parts


def the_source(parts: Runtime, source: str | None) -> str:
    """The one that was named, by id or name, else the only one there is."""
    known = parts.settings.sources
    named = [s for s in known if source in (None, s.id, s.name)]
    if len(named) == 1:
        return named[0].id
    names = ", ".join(s.id + (f" ({s.name})" if s.name else "") for s in known)
    raise click.UsageError(f"Name one source with --source: {names or 'none is configured'}.")
