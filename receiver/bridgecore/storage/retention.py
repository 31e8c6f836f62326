"""What is kept is bounded by age and by number."""

from bridgecore.config.settings import Settings
from bridgecore.storage.connection import Connection

#: of each kind, that one call of the script forgets: it keeps Redis busy for milliseconds
_AT_ONCE = 1000
#: seconds; a younger memory is not forgotten, however many there are: whoever sent the event
#: may not know yet that it arrived
SPARED = 86400


class Retention:
    """Forgets in bulk. No key has an expiry of its own: there is one way to be forgotten."""

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
        """Forget what is too old or too much; how many contents, memories and records."""
        total = 0
        while True:
            forgotten: list[int] = self._forget(source, *self._arguments)
            total += sum(forgotten)
            if max(forgotten) < _AT_ONCE:
                return total


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
