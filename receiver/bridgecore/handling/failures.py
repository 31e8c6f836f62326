"""Why an event could not be handled: for the log without values, for its dead letter in full."""

import traceback
from dataclasses import dataclass

from bridgecore.handling.registry import Handler


@dataclass(frozen=True, slots=True)
class Failure:
    """What a handler raised, or what kept one from being called."""

    error: BaseException
    #: None: it did not come to a call
    handler: Handler | None = None

    def __str__(self) -> str:
        """As a log may say it: the exception's own text could quote values of the record."""
        kind = f"error={type(self.error).__name__}"
        if self.handler is None:
            return kind
        return f"handler={self.handler.name} {kind} at={self._place(self.handler)}"

    @property
    def traceback(self) -> str:
        try:
            return "".join(traceback.format_exception(self.error))
        except Exception as error:  # what a foreign exception computes about itself may fail, too
            return f"{type(self.error).__name__} (no traceback: {type(error).__name__})"

    def _place(self, handler: Handler) -> str:
        """Where in the handler's own package it happened, rather than in a library it calls."""
        frames = [
            (frame.f_globals.get("__name__", ""), f"{frame.f_code.co_filename}:{line}")
            for frame, line in traceback.walk_tb(self.error.__traceback__)
        ]
        package = _package(handler.name)
        own = [place for module, place in frames if _package(module) == package]
        return own[-1] if own else frames[-1][1]


def _package(name: str) -> str:
    return name.partition(".")[0]
