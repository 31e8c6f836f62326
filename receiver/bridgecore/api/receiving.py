"""The route that Odoo pushes to."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict

from bridgecore.accepting.authentication import Authenticator
from bridgecore.accepting.instances import HEADER
from bridgecore.api.bodies import encoding_problem, limited_body
from bridgecore.api.models import ApiModel
from bridgecore.config.databases import Source
from bridgecore.errors import BridgecoreError, InvalidJson, NotAuthenticated
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
        "summary": "One event in a form of older senders",
        "value": {
            "name": "SO001",
            "state": "sale",
            "_webhook_metadata": {
                "event_id": 456,
                "event_type": "write",
                "model": "sale.order",
                "record_id": 336,
                "timestamp": "2026-01-31T12:00:00.123456Z",
            },
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
            HEADER: "Name of the place of the Odoo database: a copy of it has another one",
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


@router.post(PATH, openapi_extra=_OPENAPI, response_model=Accepted)
async def receive(request: Request) -> Response:
    """Accept one event or a batch `{"source", "events": […]}`, also in the forms of older senders.

    200 means that all events are durably queued; they are handled later. Events that the receiver
    had accepted before are counted as duplicates and have no further effect, so a push may be
    repeated. After 429 or 503, repeat it when the seconds in `Retry-After` have passed.
    """
    # No FastAPI dependencies and no answer model: they would double the time of a request.
    state = request.app.state
    headers, authenticator = request.headers, state.authenticator
    try:
        source = authenticator.source_of_headers(headers)  # before a stranger's body is read
        # A token has shown who sends; a signature can be checked only with the body.
        large = state.large_bodies if source is None else None
        body = await limited_body(request, state.parts.settings.max_body_bytes, large)
        if source is None:
            source = _source_of_signed(authenticator, headers, body)
        events = _events(body, source.id)
        state.parts.instances.hear(source.id, headers.get(HEADER))
        receipt = await state.intake.accept(Submission(source.id, events, "push"))
    except BridgecoreError as error:
        if error.status < 500:  # other errors are the receiver's, and are logged where they happen
            state.refusals.note(request, error)
        raise
    return Response(
        f'{{"success":true,"accepted":{receipt.accepted},"duplicates":{receipt.duplicates}}}',
        media_type="application/json",
    )


def _source_of_signed(
    authenticator: Authenticator, headers: Mapping[str, str], body: bytes
) -> Source:
    try:
        return authenticator.source_of_signed(headers, body)
    except NotAuthenticated:
        # Such a body is never taken as signed. Its sender would look for a wrong secret.
        if problem := encoding_problem(body):
            raise InvalidJson(problem) from None
        raise


def _events(body: bytes, source: str) -> list[Event]:
    try:
        return parse_push(body, source)
    except InvalidJson:
        raise InvalidJson(encoding_problem(body)) from None
