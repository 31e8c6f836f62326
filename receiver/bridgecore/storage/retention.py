"""Forgets old events: their number and their age are limited."""

from bridgecore.config.settings import Settings
from bridgecore.storage.connection import Connection

#: entries of each kind that one call of the script forgets; a call blocks Redis for milliseconds
_AT_ONCE = 1000
#: Seconds. The receiver forgets no younger memory, however many there are: the sender may not know
#: yet that the event arrived, and send it again.
SPARED = 86400


class Retention:
    """Forgets in bulk. No key of an event expires by itself."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._forget = connection.script("forget")
        self._arguments = [
            _AT_ONCE,
            _microseconds(settings.event_retention),
            settings.max_stored_events,
            _microseconds(settings.dedupe_retention),
            settings.max_remembered_events,
            _microseconds(min(SPARED, settings.dedupe_retention)),
            _microseconds(settings.record_retention),
            settings.max_records,
        ]

    def forget(self, source: str) -> int:
        """Forget contents, memories and latest values beyond the limits; return how many in all."""
        total = 0
        while True:
            forgotten: list[int] = self._forget(source, *self._arguments)
            total += sum(forgotten)
            if max(forgotten) < _AT_ONCE:
                return total


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
