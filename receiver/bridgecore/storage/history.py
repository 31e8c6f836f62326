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

        This reads the memory of every event of the source. It is slow, but rare. An event is older
        by its id or by its timestamp: clocks may have been wrong, and restored databases use ids
        again.
        """
        source, record = erasing.source, erasing.record
        self._erase_latest(erasing)
        memories, erased, position = f"{prefix(source)}:event:", 0, 0
        while True:
            position, found = self._page(position, f"{memories}*")
            for memory, (owner, name) in found.items():
                key = memory.removeprefix(memories)
                event_id, _, timestamp = key.partition("@")
                is_older = int(event_id) < erasing.event_id or timestamp <= erasing.timestamp
                if owner == record and is_older:
                    erased += self._blank(erasing, key, name)
            if not position:
                return erased

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

    def _page(self, position: int, pattern: str) -> tuple[int, dict[str, list[Any]]]:
        """Return the next position, and some keys of memories with their record and name.

        The position is 0 at the end.
        """
        answer: Any = self._redis.scan(position, match=pattern, count=1000)
        position, memories = answer
        pipeline = self._redis.pipeline(transaction=False)
        for memory in memories:
            pipeline.hmget(memory, "record", "event")
        return position, dict(zip(memories, pipeline.execute(), strict=True))

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
