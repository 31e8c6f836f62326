"""Forgets old events: their number and their age are limited."""

from bridgecore.config.settings import Settings
from bridgecore.storage.connection import Connection, prefix

#: entries of each kind that one call of the script forgets; a call blocks Redis for milliseconds
_AT_ONCE = 1000
#: events whose content one call of `make_room` may delete before they are confirmed
_SHED = 5000
#: where the greatest numbers of contents and of latest values stand among the script's arguments
_CONTENTS, _RECORDS = 2, 7
#: Seconds. The receiver forgets no younger memory, however many there are: the sender may not know
#: yet that the event arrived, and send it again.
SPARED = 86400


class Retention:
    """Forgets in bulk. No key of an event expires by itself."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._redis = connection.redis
        self._forget = connection.script("forget")
        self._shed = connection.script("shed")
        #: of the script, see there
        self._arguments: list[int] = [
            _AT_ONCE,
            _microseconds(settings.event_retention),
            settings.max_stored_events,
            _microseconds(settings.dedupe_retention),
            settings.max_remembered_events,
            _microseconds(min(SPARED, settings.dedupe_retention)),
            _microseconds(settings.record_retention),
            settings.max_records,
        ]

    def make_room(self, source: str) -> int:
        """Forget some of what is only kept for reading, oldest first; return how many entries.

        These are contents of events that are done, and latest values. What recognises duplicates
        stays.
        """
        start = prefix(source)
        arguments = list(self._arguments)
        for name, place in (("kept", _CONTENTS), ("records", _RECORDS)):
            size = int(self._redis.zcard(f"{start}:{name}"))
            arguments[place] = min(arguments[place], max(0, size - _AT_ONCE))
        forgotten: list[int] = self._forget(source, *arguments)
        return int(self._shed(source, _SHED)) + sum(forgotten)

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
