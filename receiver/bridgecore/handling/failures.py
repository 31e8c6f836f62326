"""Why an event could not be handled: for the log without values, for people with all of it."""

import os
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridgecore.handling.registry import Handler

#: characters of an exception's message in a summary
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception of a handler, or the reason why no handler was called."""

    error: BaseException
    #: None if no handler was called
    handler: Handler | None = None

    def __str__(self) -> str:
        """The text for the log, without the exception's message: it could quote values."""
        kind = f"error={type(self.error).__name__}"
        if self.handler is None:
            return kind
        return f"handler={self.handler.name} {kind} at={self._place(self.handler)}"

    @property
    def summary(self) -> str:
        """One line: type and message of the exception, and the handler's line where it was raised.

        What Odoo and lists of dead letters show. The last line of a traceback would not do: of an
        exception group it is a rule, of others a hint or a detail.
        """
        text = _describe(self.error)
        if self.handler is None:
            return text
        return f"{text} ({self.handler.name}, {os.path.basename(self._place(self.handler))})"

    @property
    def traceback(self) -> str:
        """The whole traceback, with the exception's message."""
        try:
            return "".join(traceback.format_exception(self.error))
        except Exception as error:  # the exception's own methods may fail, too
            return f"{type(self.error).__name__} (no traceback: {type(error).__name__})"

    def _place(self, handler: Handler) -> str:
        """Return the last place in the handler's own package, or else the last place of all."""
        frames = [
            (frame.f_globals.get("__name__", ""), f"{frame.f_code.co_filename}:{line}")
            for error in _with_inner(self.error)
            for frame, line in traceback.walk_tb(error.__traceback__)
        ]
        package = _package(handler.name)
        own = [place for module, place in frames if _package(module) == package]
        return own[-1] if own else frames[-1][1]


def error_text(failures: Sequence[Failure], longest: int) -> str:
    """Return what is stored of failures: a line with their summaries, then the tracebacks.

    Parameters:
        longest: characters of the tracebacks; their end says most.
    """
    summaries = "; ".join(failure.summary for failure in failures)
    tracebacks = "\n".join(failure.traceback for failure in failures)
    return f"{summaries}\n\n{tracebacks[-longest:]}"


def summary_of(error: str) -> str:
    """Return the line of a stored error that says most.

    Errors of earlier versions have no summary. Of these it is the last line of the traceback.
    """
    first, _, rest = error.partition("\n\n")
    if rest and "\n" not in first:
        return first
    return error.rstrip().rpartition("\n")[2]


def _describe(error: BaseException) -> str:
    """Return type and message in one line; of an exception group also those of its members."""
    name = type(error).__name__
    try:
        message = " ".join(str(error).split())
    except Exception:  # the exception's own method may fail, too
        message = "its message cannot be shown"
    if isinstance(error, BaseExceptionGroup):
        members = "; ".join(_describe(member) for member in error.exceptions[:3])
        message = f"{message}: {members}"
    return f"{name}: {message[:_LONGEST_MESSAGE]}" if message else name


def _with_inner(error: BaseException) -> Iterable[BaseException]:
    """Yield an exception and, of a group, its first member, and so on."""
    yield error
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        yield error


def _package(name: str) -> str:
    return name.partition(".")[0]
