"""Handlers that fail."""


class Broken:
    """A handler that fails until it is mended; it keeps the events that it was called with."""

    __module__ = "tests"

    def __init__(self):
        self.__qualname__ = "broken"
        self.mended, self.events = False, []

    def __call__(self, event):
        self.events.append(event)
        if not self.mended:
            raise LookupError(f"event {event.event_id}, call {len(self.events)}")


def reported(event_id: int, call: int) -> str:
    """What Odoo gets to know of the failure of a `Broken`."""
    line = Broken.__call__.__code__.co_firstlineno + 3
    return f"LookupError: event {event_id}, call {call} (tests.broken, failing.py:{line})"
