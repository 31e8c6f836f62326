"""The live stream: handled events as Server-Sent Events."""

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

from bridgecore.api.access import FOR_ADMINS, Parts, the_source
from bridgecore.api.models import whole
from bridgecore.errors import InvalidCursor
from bridgecore.runtime import Runtime
from bridgecore.storage.history import Known
from bridgecore.storage.live import Handled, is_position

log = logging.getLogger(__name__)

T = TypeVar("T")

router = APIRouter(prefix="/api/v1", tags=["Reading"], dependencies=FOR_ADMINS)


class Closing:
    """Tells streams that the process is asked to end; they would keep it from it."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        self._asked.set()

    async def or_result(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work returns; None, and the work cancelled, if the end is asked for."""
        doing = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({asked, doing}, return_when=asyncio.FIRST_COMPLETED)
            return None if self._asked.is_set() else doing.result()
        finally:
            asked.cancel()
            doing.cancel()
            # Its connection may be closed only when it has let go of it.
            with CancelScope(shield=True):
                await asyncio.wait({asked, doing})


class Followed(NamedTuple):
    source: str
    position: str


def followed(
    parts: Parts,
    source: Annotated[str | None, Query(description="needed if there are several")] = None,
    last_event_id: Annotated[
        str | None, Header(description="go on after it; browsers send it by themselves")
    ] = None,
) -> Followed:
    """What is to be followed, and from where: errors have to come before the first byte.

    Raises:
        UnknownSource, InvalidCursor
    """
    chosen = the_source(parts, source)
    if not last_event_id:
        return Followed(chosen, parts.storage.live.end(chosen))
    if not is_position(last_event_id):
        raise InvalidCursor("This Last-Event-ID is none that an event of the stream had as its id.")
    return Followed(chosen, last_event_id)


@router.get("/stream", response_class=EventSourceResponse)
async def stream(
    request: Request,
    parts: Parts,
    followed: Annotated[Followed, Depends(followed)],
    model: Annotated[str | None, Query(description="or a pattern", examples=["sale.*"])] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events as they are handled, with their content (`text/event-stream`).

    Each has an `id`; a client that comes back sends the last one as `Last-Event-ID` and misses
    nothing, unless more than `BRIDGECORE_MAX_STREAMED_EVENTS` have passed. Comment lines show
    that the connection lives; it ends when Redis goes away.
    """
    source, position = followed
    closing: Closing = request.app.state.closing
    yield ServerSentEvent(comment="connected")
    try:
        async with parts.storage.live.reader() as reader:
            while True:
                handled = await closing.or_result(reader.after(source, position))
                if handled is None:
                    return
                for entry, known in await run_in_threadpool(_wanted, parts, source, handled, model):
                    yield ServerSentEvent(
                        data=whole(known), event=known.event.event, id=entry.position
                    )
                if handled:
                    position = handled[-1].position
    except RedisError as error:  # the client comes back, and is answered 503 until Redis is there
        log.warning("live stream ended source=%s error=%s", source, type(error).__name__)


def _wanted(
    parts: Runtime, source: str, handled: Sequence[Handled], model: str | None
) -> list[tuple[Handled, Known]]:
    """Those of a model (or a pattern), if it is given, with what is known of them."""
    entries = [
        entry
        for entry in handled
        if model is None or fnmatchcase(entry.record.partition(":")[0], model)
    ]
    found = parts.storage.history.known([(source, entry.key) for entry in entries])
    by_key = {known.event.key: known for known in found}
    return [(entry, by_key[entry.key]) for entry in entries if entry.key in by_key]
