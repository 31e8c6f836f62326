"""An answer of Server-Sent Events (WHATWG HTML, "Server-sent events").

FastAPI has such an answer, too, but it sends its own signs of life at its own interval, and it logs
a traceback whenever a client leaves while something is being sent.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Send


class EventStream(StreamingResponse):
    """Sends messages until the generator or the client ends the stream.

    The generator is closed in both cases, and before the request ends. The headers forbid proxies
    to keep or to buffer the answer; nginx heeds `X-Accel-Buffering`.
    """

    media_type = "text/event-stream"

    @classmethod
    def of(cls, messages: AsyncGenerator[str]) -> "EventStream":
        """Return the answer that sends these messages."""
        return cls(messages, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        messages: Any = self.body_iterator
        async with aclosing(messages):
            await super().stream_response(send)


def message(
    *, comment: str = "", event: str = "", data: str | None = None, position: str = ""
) -> str:
    """Return one message. No argument may contain a line break.

    A message without `data` is no event for its reader. If it has a position, the reader keeps
    that, and sends it as `Last-Event-ID` when it connects again.

    Parameters:
        position: the message's `id`.
    """
    lines = []
    if comment:
        lines.append(f": {comment}")
    if event:
        lines.append(f"event: {event}")
    if data is not None:
        lines.append(f"data: {data}")
    if position:
        lines.append(f"id: {position}")
    return "\n".join((*lines, "", ""))


#: of the answer, for the OpenAPI description
DESCRIPTION = {
    "description": "Successful Response",
    "content": {
        "text/event-stream": {
            "itemSchema": {
                "type": "object",
                "properties": {
                    "data": {"type": "string"},
                    "event": {"type": "string"},
                    "id": {"type": "string"},
                },
            }
        }
    },
}
