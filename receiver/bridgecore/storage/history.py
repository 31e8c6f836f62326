"""What is known of events, records and models, for reading."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from heapq import merge
from itertools import islice
from typing import Any

from bridgecore.events import Event
from bridgecore.storage.connection import Connection, prefix
from bridgecore.storage.contents import content

#: entries of the list that one call looks at; a filter that matches little takes several calls
SCANNED = 20_000
_CHUNK = 1000


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event stands in the list, newest first; also the cursor of a reader."""

    #: Redis' time in microseconds
    accepted_at: int
    source: str
    #: what the list holds of it: key, record and name
    entry: str

    @property
    def key(self) -> str:
        return self.entry.split(" ")[0]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a reader wants; what is None does not matter."""

    #: a name or a pattern such as `sale.*`
    model: str | None = None
    record_id: int | None = None
    event: str | None = None
    #: times of acceptance in microseconds, both included
    since: int | None = None
    until: int | None = None

    def matches(self, entry: str) -> bool:
        _key, record, event = entry.split(" ")
        model, _, record_id = record.partition(":")
        return (
            (self.model is None or fnmatchcase(model, self.model))
            and (self.record_id is None or int(record_id) == self.record_id)
            and self.event in (None, event)
        )


@dataclass(frozen=True, slots=True)
class Known:
    """An event and its memory: the fields of `event:<key>`."""

    event: Event
    fields: dict[str, str]
    #: its content is kept no longer, or cannot be read
    empty: bool


class History:
    """The list of events is bounded and its entries say what they are, so it needs no index."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection.redis

    def find(
        self, sources: Sequence[str], wanted: Filter, limit: int, after: Place | None = None
    ) -> tuple[list[Known], Place | None]:
        """The newest events that match, newest first; where to go on, None at the end.

        Parameters:
            after: where an earlier call ended.
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
        """What is known of events, given as source and key; those forgotten are left out."""
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
        """How far each model's events have been handled."""
        models: Any = self._redis.smembers(f"{prefix(source)}:models")
        pipeline = self._redis.pipeline(transaction=False)
        for model in sorted(models):
            pipeline.hgetall(f"{prefix(source)}:sync:{model}")
        return dict(zip(sorted(models), pipeline.execute(), strict=True))

    def erase(self, source: str, record: str, until: str) -> int:
        """Blank what is kept of a record's events (personal data); of how many.

        Parameters:
            until: the timestamp of the erasure; what is newer came after it.

        Reads the memory of every event of the source, so it takes its time; it is rare.
        """
        self._redis.delete(f"{prefix(source)}:latest:{record}")
        memories, erased, position = f"{prefix(source)}:event:", 0, 0
        while True:
            position, found = self._page(position, f"{memories}*")
            for memory, (owner, name) in found.items():
                key = memory.removeprefix(memories)
                if owner == record and key.partition("@")[2] <= until:
                    erased += self._blank(source, key, record, name)
            if not position:
                return erased

    def _page(self, position: int, pattern: str) -> tuple[int, dict[str, list[Any]]]:
        """Some memories with their records and names; where to go on, 0 at the end."""
        answer: Any = self._redis.scan(position, match=pattern, count=1000)
        position, memories = answer
        pipeline = self._redis.pipeline(transaction=False)
        for memory in memories:
            pipeline.hmget(memory, "record", "event")
        return position, dict(zip(memories, pipeline.execute(), strict=True))

    def _blank(self, source: str, key: str, record: str, name: str) -> bool:
        start = prefix(source)
        self._redis.hdel(f"{start}:event:{key}", "error")  # a traceback may quote values
        body: Any = self._redis.get(f"{start}:body:{key}")
        if body is None:
            return False
        event, _readable = content(source, key, record, name, body)
        # XX: it may have been forgotten meanwhile
        return bool(self._redis.set(f"{start}:body:{key}", event.blank().body, xx=True))


def _known(
    source: str, key: str, fields: dict[str, str], body: str | None, confirmed_at: float | None
) -> Known:
    if fields["state"] == "done" and confirmed_at:
        fields |= {"state": "confirmed", "confirmed_at": str(int(confirmed_at))}
    event, readable = content(source, key, fields["record"], fields["event"], body)
    return Known(event, fields, not readable)
