"""The live stream: the newest events that are done or dead."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from anyio import CancelScope

from bridgecore.config.settings import Settings
from bridgecore.config.timeouts import HEARTBEAT, STREAM_TIMEOUT
from bridgecore.storage.connection import Connection, prefix

#: entries that one call reads at most
_PAGE = 100
#: a position in a stream, as Redis writes it
_POSITION = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")


class Handled(NamedTuple):
    """One entry of the stream: an event that is done or dead."""

    position: str
    key: str
    record: str


class LiveStream:
    """Reads the stream of a source. Older events are in the history."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._redis = connection.redis
        self._address = settings.redis

    def end(self, source: str) -> str:
        """Return the position of the newest entry."""
        newest: Any = self._redis.xrevrange(_key(source), count=1)
        return str(newest[0][0]) if newest else "0-0"

    def newest(self, source: str, count: int) -> list[Handled]:
        """Return the newest entries, oldest first."""
        entries: Any = self._redis.xrevrange(_key(source), count=count) if count else []
        return [_handled(*entry) for entry in reversed(entries)]

    def follow(self, source: str, position: str) -> Iterator[Handled | None]:
        """Yield the entries after a position, for ever; None after each second without an entry."""
        while True:
            pages: Any = self._redis.xread({_key(source): position}, _PAGE, block=1000)
            if not pages:
                yield None
            for entry in _entries(pages):
                position = entry.position
                yield entry

    @asynccontextmanager
    async def reader(self) -> AsyncIterator["AsyncReader"]:
        """Provide a reader that waits without blocking a thread, on its own connection."""
        redis = self._address.async_client(decode_responses=True, socket_timeout=STREAM_TIMEOUT)
        try:
            yield AsyncReader(redis)
        finally:
            with CancelScope(shield=True):  # close it also when this task is cancelled
                await redis.aclose()


class AsyncReader:
    """Reads the stream like `LiveStream.follow`, without blocking a thread."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def after(self, source: str, position: str) -> Sequence[Handled]:
        """Return the next entries, or none after `HEARTBEAT` seconds without an entry."""
        pages: Any = await self._redis.xread(
            {_key(source): position}, _PAGE, block=HEARTBEAT * 1000
        )
        return _entries(pages)


def is_position(text: str) -> bool:
    """Return whether the text is a position that Redis accepts."""
    return bool(_POSITION.fullmatch(text))


def _key(source: str) -> str:
    return f"{prefix(source)}:stream"


def _entries(pages: Any) -> list[Handled]:
    found = pages.values() if isinstance(pages, dict) else (entries for _, entries in pages)
    return [_handled(*entry) for entries in found for entry in entries]


def _handled(position: str, fields: dict[str, str]) -> Handled:
    return Handled(position, fields["key"], fields["record"])
