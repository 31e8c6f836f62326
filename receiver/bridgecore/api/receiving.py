"""The endpoint that Odoo pushes to."""

from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

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
        "summary": "A ping: right address, right credentials?",
        "value": {"source": EXAMPLE["source"], "events": []},
    },
    "older": {
        "summary": "The form of older senders",
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
#: FastAPI does not know the body, because the signature is of its bytes.
_BODY = {
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
            "webhook-id": "Standard Webhooks: the same in every attempt",
            "webhook-timestamp": "Standard Webhooks: whole seconds, of this attempt",
            "webhook-signature": "Standard Webhooks: `v1,<base64>`, several separated by spaces",
            "x-api-key": "a push token, instead of a signature",
        }.items()
    ],
    "security": [{"HTTPBearer": []}, {}],
}


class Accepted(BaseModel):
    """The events of the request are durably queued."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"success": True, "accepted": 1, "duplicates": 0}]}
    )

    success: Literal[True] = True
    accepted: int
    duplicates: int


async def limited_body(request: Request, limit: int) -> bytes:
    """The body, unless it is larger than `limit` bytes; then no more of it is read.

    Raises:
        BodyTooLarge
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():  # the announced length may be absent
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


@router.post(PATH, openapi_extra=_BODY, response_model=Accepted)
async def receive(request: Request) -> Response:
    """Take in one event, a batch `{"source", "events": […]}` or the form of older senders.

    200 means durably queued, not handled. Repetitions have no effect and are counted as
    duplicates. 429 and 503 say in `Retry-After` when to come again.
    """
    # No dependency and no model to answer with: they would double what a request costs.
    state = request.app.state
    try:
        body = await limited_body(request, state.parts.settings.max_body_bytes)
        source = state.authenticator.source_of(request.headers, body).id
        receipt = await state.intake.accept(Submission(source, parse_push(body, source), "push"))
    except BridgecoreError as error:
        if error.status < 500:  # else it is the receiver's fault, and logged where it happened
            state.refusals.note(request, error)
        raise
    return Response(
        f'{{"success":true,"accepted":{receipt.accepted},"duplicates":{receipt.duplicates}}}',
        media_type="application/json",
    )
