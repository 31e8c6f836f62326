"""The route for the live stream: handled events as Server-Sent Events."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple, TypeVar

from anyio import CancelScope
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from redis.exceptions import RedisError

from bridgecore.api import event_stream
from bridgecore.api.access import FOR_ADMINS, Parts, resolve_source
from bridgecore.api.event_stream import EventStream, message
from bridgecore.api.guarded_routes import AdminRoute
from bridgecore.api.models import whole
from bridgecore.errors import InvalidCursor
from bridgecore.runtime import Runtime
from bridgecore.storage.history import Known
from bridgecore.storage.live import Handled, is_position

log = logging.getLogger(__name__)

T = TypeVar("T")

router = APIRouter(
    prefix="/api/v1", tags=["Reading"], dependencies=FOR_ADMINS, route_class=AdminRoute
)


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
            # The caller may close the connection to Redis only when the coroutine has stopped using
            # it.
            with CancelScope(shield=True):
                begun.cancel()
                await _cancel(working)


async def _cancel(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it has ended; its result or error does not matter any more.

    redis-py may overlook a cancellation that comes together with an answer of Redis, and wait for
    the next answer. So the task is cancelled until it has ended.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
    if not task.cancelled():
        task.exception()  # otherwise asyncio would log it


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


@router.get(
    "/stream",
    response_class=EventStream,
    response_model=None,
    responses={200: event_stream.DESCRIPTION},
)
async def stream(
    request: Request,
    parts: Parts,
    start: Annotated[StreamStart, Depends(stream_start)],
    model: Annotated[
        str | None,
        Query(description="A model, or a pattern such as `sale.*`.", examples=["sale.*"]),
    ] = None,
) -> EventStream:
    """Send each event when it has been handled or given up, with its content.

    The answer is a stream of Server-Sent Events (`text/event-stream`).

    Each event has an `id`. The stream begins with a message that has only an `id`, and sends such
    messages from time to time to show that the connection lives; they are no events. A client that
    connects again sends the last `id` as `Last-Event-ID`. It then misses no event, unless more than
    `BRIDGECORE_MAX_STREAMED_EVENTS` were handled meanwhile. The stream ends when the receiver
    cannot reach its Redis any more.
    """
    return EventStream.of(_messages(parts, request.app.state.shutdown, start, model))


async def _messages(
    parts: Runtime, shutdown: Shutdown, start: StreamStart, model: str | None
) -> AsyncGenerator[str]:
    source, position = start
    # The position comes first: a client that loses the connection before the first event would
    # otherwise miss what is handled until it is back.
    yield message(comment="connected", position=position)
    try:
        async with parts.storage.live.reader() as reader:
            while True:
                handled = await shutdown.result_unless_begun(reader.after(source, position))
                if handled is None:
                    return
                events = await run_in_threadpool(_of_model, parts, source, handled, model)
                for entry, known in events:
                    data = whole(known).model_dump_json()
                    yield message(event=known.event.event, data=data, position=entry.position)
                if handled:
                    position = handled[-1].position
                if not events:
                    yield message(comment="no event", position=position)
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
