"""The route that Odoo pushes to."""

from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict

from bridgecore.api.models import ApiModel
from bridgecore.errors import BodyTooLarge, BridgecoreError
from bridgecore.events import EXAMPLE, Event, parse_push
from bridgecore.storage.inbox import Submission

PATH = "/api/v1/webhooks/receive"
router = APIRouter(tags=["Receiving"])

_WITHOUT_SOURCE = {name: value for name, value in EXAMPLE.items() if name != "source"}
_EXAMPLES = {
    "event": {"summary": "One event", "value": EXAMPLE},
    "batch": {
        "summary": "A batch of at most 1000 events",
        "value": {"source": EXAMPLE["source"], "events": [_WITHOUT_SOURCE]},
    },
    "ping": {
        "summary": "A ping: checks address and credentials",
        "value": {"source": EXAMPLE["source"], "events": []},
    },
    "older": {
        "summary": "One event in the form of older senders",
        "value": {
            "model": "sale.order",
            "record_id": 336,
            "event": "write",
            "timestamp": "2026-01-31T12:00:00.123456Z",
            "data": {"name": "SO001", "state": "sale"},
            "_webhook_metadata": {"event_id": 456, "priority": "high"},
        },
    },
}
_EVENT_SCHEMA = msgspec.json.schema_components([Event])[1]["Event"]
_BATCH_SCHEMA = {
    "title": "Batch",
    "type": "object",
    "required": ["events"],
    "properties": {
        "source": {"type": "string"},
        "events": {"type": "array", "maxItems": 1000, "items": {"type": "object"}},
    },
}
#: Description of the body and headers. FastAPI cannot derive it, because the route reads the raw
#: bytes to check their signature.
_OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [_EVENT_SCHEMA, _BATCH_SCHEMA]},
                "examples": _EXAMPLES,
            }
        },
    },
    "parameters": [
        {
            "in": "header",
            "name": name,
            "description": text,
            "required": False,
            "schema": {"type": "string"},
        }
        for name, text in {
            "webhook-id": "Standard Webhooks: id of the message, the same in every attempt",
            "webhook-timestamp": "Standard Webhooks: time of this attempt, in seconds since 1970",
            "webhook-signature": "Standard Webhooks: `v1,<base64>`; several separated by spaces",
            "x-api-key": "One of the `push_tokens` of the source, instead of a signature",
        }.items()
    ],
    "security": [{"HTTPBearer": []}, {}],
}


class Accepted(ApiModel):
    """The events of the request are durably queued."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"success": True, "accepted": 1, "duplicates": 0}]}
    )

    success: Literal[True] = True
    accepted: int
    """Number of new events."""
    duplicates: int
    """Number of events that the receiver had accepted before."""


async def limited_body(request: Request, limit: int) -> bytes:
    """Return the body of a request. Stop reading when it is larger than `limit` bytes.

    Raises:
        BodyTooLarge: the body is larger, or its Content-Length says so.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():  # Content-Length may be absent
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


@router.post(PATH, openapi_extra=_OPENAPI, response_model=Accepted)
async def receive(request: Request) -> Response:
    """Accept one event, a batch `{"source", "events": […]}`, or the form of older senders.

    200 means that all events are durably queued; they are handled later. Events that the receiver
    had accepted before are counted as duplicates and have no further effect, so a push may be
    repeated. After 429 or 503, repeat it when the seconds in `Retry-After` have passed.
    """
    # No FastAPI dependencies and no answer model: they would double the time of a request.
    state = request.app.state
    try:
        body = await limited_body(request, state.parts.settings.max_body_bytes)
        source = state.authenticator.source_of(request.headers, body).id
        receipt = await state.intake.accept(Submission(source, parse_push(body, source), "push"))
    except BridgecoreError as error:
        if error.status < 500:  # other errors are the receiver's, and are logged where they happen
            state.refusals.note(request, error)
        raise
    return Response(
        f'{{"success":true,"accepted":{receipt.accepted},"duplicates":{receipt.duplicates}}}',
        media_type="application/json",
    )
