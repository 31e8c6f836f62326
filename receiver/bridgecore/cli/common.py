"""Helpers that all commands share."""

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


#: The only setting that is also an option, because every command needs it to find the Redis of a
#: running `bridgecore serve`.
data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    expose_value=False,
    callback=_set_data_dir,
    help="Data folder of `bridgecore serve`, for its own Redis; or set BRIDGECORE_DATA_DIR.",
)


def errors_as_messages(command: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that known errors end it with a message instead of a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BridgecoreError as error:
            raise click.ClickException(str(error)) from error
        except RedisError as error:
            location = runtime().settings.redis.location
            raise click.ClickException(
                f"Redis at {location} cannot be used ({reason(error)}): check "
                "BRIDGECORE_REDIS_URL, or give the --data-dir of your `bridgecore serve`."
            ) from error

    return wrapped


def start() -> Runtime:
    """Configure logging, log a warning if no source is set, and return the receiver's parts."""
    parts = runtime()
    configure_logging(parts.settings.log_level, parts.settings.log_format)
    if problem := parts.settings.problem:
        log.warning(problem)
    return parts


def resolve_source(parts: Runtime, source: str | None) -> str:
    """Return the id of the source that has this id or name; if None, of the only source.

    Raises:
        click.UsageError: no source matches, or several do.
    """
    known = parts.settings.sources
    if not known:
        raise click.UsageError("No source is configured: set BRIDGECORE_SOURCES.")
    matching = [s for s in known if source in (None, s.id, s.name)]
    if len(matching) == 1:
        return matching[0].id
    names = ", ".join(s.id + (f" ({s.name})" if s.name else "") for s in known)
    raise click.UsageError(f"Name one source with --source: {names}.")
