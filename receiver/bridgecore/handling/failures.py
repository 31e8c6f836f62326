"""Why an event could not be handled: for the log without values, for Redis with the traceback."""

import traceback
from dataclasses import dataclass

from bridgecore.handling.registry import Handler


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
            for frame, line in traceback.walk_tb(self.error.__traceback__)
        ]
        package = _package(handler.name)
        own = [place for module, place in frames if _package(module) == package]
        return own[-1] if own else frames[-1][1]


def _package(name: str) -> str:
    return name.partition(".")[0]
