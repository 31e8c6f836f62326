"""The route for the live stream: handled events as Server-Sent Events."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple, TypeVar

from anyio import CancelScope
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from redis.exceptions import RedisError

from bridgecore.api.access import FOR_ADMINS, Parts, resolve_source
from bridgecore.api.models import whole
from bridgecore.errors import InvalidCursor
from bridgecore.runtime import Runtime
from bridgecore.storage.history import Known
from bridgecore.storage.live import Handled, is_position

log = logging.getLogger(__name__)

T = TypeVar("T")

router = APIRouter(prefix="/api/v1", tags=["Reading"], dependencies=FOR_ADMINS)


class Shutdown:
    """Ends live streams when the process shuts down. Without that, an open stream would
    keep the process running."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """End all streams."""
        self._begun.set()

    async def result_unless_begun(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of `work`. If the shutdown begins first, cancel it; return None."""
        working = asyncio.ensure_future(work)
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait({begun, working}, return_when=asyncio.FIRST_COMPLETED)
            return None if self._begun.is_set() else working.result()
        finally:
            begun.cancel()
            working.cancel()
            # The caller may close the connection to Redis only when the coroutine has stopped using
            # it.
            with CancelScope(shield=True):
                await asyncio.wait({begun, working})


class StreamStart(NamedTuple):
    """Where a stream begins: after this position in the source's list of handled events."""

    source: str
    position: str


def stream_start(
    parts: Parts,
    source: Annotated[
        str | None, Query(description="Needed if the receiver has several sources.")
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(
            description="`id` of the last event that the client has received. The stream goes on "
            "after that event. Browsers send it by themselves."
        ),
    ] = None,
) -> StreamStart:
    """Return where the stream begins.

    This is a dependency of the route, because an error must be raised before the first byte of the
    answer is sent.

    Raises:
        UnknownSource, InvalidCursor
    """
    resolved = resolve_source(parts, source)
    if not last_event_id:
        return StreamStart(resolved, parts.storage.live.end(resolved))
    if not is_position(last_event_id):
        raise InvalidCursor(
            "This Last-Event-ID is wrong: send the `id` of an event of the stream, or leave it out."
        )
    return StreamStart(resolved, last_event_id)


@router.get("/stream", response_class=EventSourceResponse)
async def stream(
    request: Request,
    parts: Parts,
    start: Annotated[StreamStart, Depends(stream_start)],
    model: Annotated[
        str | None,
        Query(description="A model, or a pattern such as `sale.*`.", examples=["sale.*"]),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Send each event when it has been handled or given up, with its content.

    The answer is a stream of Server-Sent Events (`text/event-stream`).

    Each event has an `id`. A client that connects again sends the last `id` as `Last-Event-ID`. It
    then misses no event, unless more than `BRIDGECORE_MAX_STREAMED_EVENTS` were handled meanwhile.
    The stream sends comment lines to show that the connection lives. It ends when the receiver
    cannot reach its Redis any more.
    """
    source, position = start
    shutdown: Shutdown = request.app.state.shutdown
    yield ServerSentEvent(comment="connected")
    try:
        async with parts.storage.live.reader() as reader:
            while True:
                handled = await shutdown.result_unless_begun(reader.after(source, position))
                if handled is None:
                    return
                for entry, known in await run_in_threadpool(
                    _of_model, parts, source, handled, model
                ):
                    yield ServerSentEvent(
                        data=whole(known), event=known.event.event, id=entry.position
                    )
                if handled:
                    position = handled[-1].position
    except RedisError as error:  # the client connects again, and gets 503 until Redis is back
        log.warning("live stream ended source=%s error=%s", source, type(error).__name__)


def _of_model(
    parts: Runtime, source: str, handled: Sequence[Handled], model: str | None
) -> list[tuple[Handled, Known]]:
    """Return the events of a model or pattern (None for all), each with its content."""
    entries = [
        entry
        for entry in handled
        if model is None or fnmatchcase(entry.record.partition(":")[0], model)
    ]
    found = parts.storage.history.known([(source, entry.key) for entry in entries])
    by_key = {known.event.key: known for known in found}
    return [(entry, by_key[entry.key]) for entry in entries if entry.key in by_key]
