"""Lists and reads events, and erases the personal data in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from heapq import merge
from itertools import islice
from typing import Any

import msgspec

from bridgecore.events import Event, without_names
from bridgecore.storage.connection import Connection, prefix
from bridgecore.storage.contents import content
from bridgecore.storage.latest import Values

#: entries that one call of `find` looks at; a filter that matches little takes several calls
SCANNED = 20_000
#: entries that one call of Redis returns
_CHUNK = 1000
#: the sorted sets of events that may have content, in the order in which an event goes through them
_WITH_CONTENT = ("dead", "queued", "reports", "kept")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The position of an event in the list of events; also the cursor of a reader of the list."""

    #: Redis' time in microseconds
    accepted_at: int
    source: str
    #: the entry of the list: key, record and name
    entry: str

    @property
    def key(self) -> str:
        return self.entry.split(" ")[0]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a reader wants. A field that is None excludes no event."""

    #: a name or a pattern such as `sale.*`
    model: str | None = None
    record_id: int | None = None
    event: str | None = None
    #: first and last time of acceptance, in microseconds
    since: int | None = None
    until: int | None = None

    def matches(self, entry: str) -> bool:
        """Return whether the reader wants the event of this entry."""
        _key, record, event = entry.split(" ")
        model, _, record_id = record.partition(":")
        return (
            (self.model is None or fnmatchcase(model, self.model))
            and (self.record_id is None or int(record_id) == self.record_id)
            and self.event in (None, event)
        )


@dataclass(frozen=True, slots=True)
class Known:
    """An event and its memory."""

    event: Event
    #: the hash `event:<event>`
    fields: dict[str, str]
    #: the content was deleted or cannot be read
    empty: bool


class History:
    """Searches the list of events, which needs no index.

    Its length is limited, and each entry holds all that a filter needs.
    """

    def __init__(self, connection: Connection) -> None:
        self._redis = connection.redis
        self._find_events = connection.script("events_of_record")

    def find(
        self, sources: Sequence[str], wanted: Filter, limit: int, after: Place | None = None
    ) -> tuple[list[Known], Place | None]:
        """Return the newest events that match, newest first, and the place at which to go on.

        The place is None at the end of the list.

        Parameters:
            after: the place that an earlier call returned.
        """
        places = merge(*(self._places(s, wanted, after) for s in sources), reverse=True)
        found: list[Place] = []
        last = None
        for last in islice(places, SCANNED):
            if wanted.matches(last.entry):
                found.append(last)
                if len(found) == limit:
                    break
        else:
            if next(places, None) is None:
                last = None
        return self.known([(place.source, place.key) for place in found]), last

    def _places(self, source: str, wanted: Filter, after: Place | None) -> Iterator[Place]:
        """Yield the places of a source, newest first, within the times of the filter."""
        key = f"{prefix(source)}:events"
        highest: Any = "+inf" if wanted.until is None else wanted.until
        if after is not None:
            highest = min(float(highest), after.accepted_at)
        lowest: Any = "-inf" if wanted.since is None else wanted.since
        start = 0
        while True:
            entries: Any = self._redis.zrevrangebyscore(
                key, highest, lowest, start=start, num=_CHUNK, withscores=True
            )
            for entry, accepted_at in entries:
                place = Place(int(accepted_at), source, entry)
                if after is None or place < after:
                    yield place
            if len(entries) < _CHUNK:
                return
            start += _CHUNK

    def known(self, keys: Sequence[tuple[str, str]]) -> list[Known]:
        """Return the events that the receiver still remembers.

        Parameters:
            keys: source and key of each event.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for source, key in keys:
            pipeline.hgetall(f"{prefix(source)}:event:{key}")
            pipeline.get(f"{prefix(source)}:body:{key}")
            for confirmed in ("kept", "remembered"):
                pipeline.zscore(f"{prefix(source)}:{confirmed}", key)
        answers = iter(pipeline.execute())
        return [
            _known(source, key, fields, body, kept or remembered)
            for (source, key), fields, body, kept, remembered in zip(
                keys, answers, answers, answers, answers, strict=True
            )
            if fields
        ]

    def sync_states(self, source: str) -> dict[str, dict[str, str]]:
        """Return the sync state of each model: how far its events have been handled."""
        models: Any = self._redis.smembers(f"{prefix(source)}:models")
        pipeline = self._redis.pipeline(transaction=False)
        for model in sorted(models):
            pipeline.hgetall(f"{prefix(source)}:sync:{model}")
        return dict(zip(sorted(models), pipeline.execute(), strict=True))

    def erase(self, erasing: Event) -> int:
        """Delete values in the older events of a record (personal data); return in how many events.

        Parameters:
            erasing: the event that tells of the erasure: of all values, or of those of some fields.
                The caller must hold the lease of its record.

        It looks at every event of the source that has content. An event is older by its id or by
        its timestamp: clocks may have been wrong, and restored databases use ids again.
        """
        self._erase_latest(erasing)
        erased = 0
        for key, name in self._events_of(erasing.source, erasing.record):
            event_id, _, timestamp = key.partition("@")
            if int(event_id) < erasing.event_id or timestamp <= erasing.timestamp:
                erased += self._blank(erasing, key, name)
        return erased

    def _events_of(self, source: str, record: str) -> Iterator[tuple[str, str]]:
        """Yield key and name of the events of a record that have content; some of them twice.

        The caller must hold the lease of the record. So its events move forward only, in the order
        in which the sets are read.
        """
        for name in _WITH_CONTENT:
            position = 0
            while True:
                answer = self._find_events(source, record, name, position, _CHUNK)
                position, found = int(answer[0]), answer[1]
                yield from zip(found[::2], found[1::2], strict=True)
                if not position:
                    break

    def _erase_latest(self, erasing: Event) -> None:
        """Delete the values of an erasure in the latest values of its record.

        Fields stay if a later event has told them: the record names the person again.
        """
        key = f"{prefix(erasing.source)}:latest:{erasing.record}"
        if erasing.erases:
            self._redis.delete(key)
        elif text := self._redis.get(key):
            values = Values.parse(str(text))
            if Values(erasing.timestamp, "", erasing.event_id, "").is_older_than(values):
                return
            fields = without_names(msgspec.json.decode(values.fields), erasing.erased_fields or ())
            values = values._replace(fields=msgspec.json.encode(fields).decode())
            self._redis.set(key, str(values), xx=True)

    def _blank(self, erasing: Event, key: str, name: str) -> bool:
        """Delete the values of an erasure in one event; return whether the event had content."""
        source = erasing.source
        start = prefix(source)
        self._redis.hdel(f"{start}:event:{key}", "error")  # a traceback may quote values
        body: Any = self._redis.get(f"{start}:body:{key}")
        if body is None:
            return False
        event, readable = content(source, key, erasing.record, name, body)
        is_whole = erasing.erases or not readable
        blank = event.blank() if is_whole else event.without(erasing.erased_fields or ())
        # XX: the event may have been forgotten meanwhile
        return bool(self._redis.set(f"{start}:body:{key}", blank.body, xx=True))


def _known(
    source: str, key: str, fields: dict[str, str], body: str | None, confirmed_at: float | None
) -> Known:
    if fields["state"] == "done" and confirmed_at:
        fields |= {"state": "confirmed", "confirmed_at": str(int(confirmed_at))}
    event, readable = content(source, key, fields["record"], fields["event"], body)
    return Known(event, fields, not readable)
