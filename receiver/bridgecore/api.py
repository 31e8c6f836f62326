"""The HTTP side of the receiver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, FastAPI, Query, Request
from pydantic import BaseModel
from redis.exceptions import RedisError

from bridgecore.api_errors import ERROR_RESPONSES, add_error_handlers
from bridgecore.authentication import Authenticator, bearer_token, matches_any
from bridgecore.errors import BodyTooLarge, NotAuthenticated, NotReady, ReadingClosed
from bridgecore.events import Event, parse_push
from bridgecore.intake import Intake
from bridgecore.runtime import Runtime
from bridgecore.storage import Submission


class Accepted(BaseModel):
    """The events of the request are durably queued."""

    success: Literal[True] = True
    accepted: int
    duplicates: int


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    #: what keeps the receiver from doing anything
    warning: str | None = None


class ListedEvent(BaseModel):
    """An event and how far it has come. Times are the receiver's."""

    source: str
    event_id: int
    model: str
    record_id: int
    event: str
    timestamp: str
    state: Literal["queued", "done", "dead", "confirmed"]
    via: Literal["push", "pull"]
    accepted_at: datetime
    handled_at: datetime | None
    confirmed_at: datetime | None


class EventList(BaseModel):
    success: Literal[True] = True
    events: list[ListedEvent]


class Push(NamedTuple):
    """A request whose credentials and content are valid."""

    source: str
    events: list[Event]


async def verified_push(request: Request) -> Push:
    """Whose push it is and what it brings."""
    parts: Runtime = request.app.state.parts
    body = await limited_body(request, parts.settings.max_body_bytes)
    source = request.app.state.authenticator.source_of(request.headers, body)
    return Push(source.id, parse_push(body, source.id))


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


def admin(request: Request) -> None:
    """Lets the bearer of the admin token pass."""
    token = request.app.state.parts.settings.admin_token
    if token is None or not token.get_secret_value():
        raise ReadingClosed
    if not matches_any(bearer_token(request.headers), [token]):
        raise NotAuthenticated("Send the admin token as 'Authorization: Bearer …'.")


def create_app(parts: Runtime) -> FastAPI:
    """The application of one API process."""
    intake = Intake(parts.acceptance)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        intake.start()
        yield
        intake.stop()

    app = FastAPI(
        title="BridgeCore receiver",
        version=version("bridgecore-receiver"),
        description="Receives the changes of Odoo databases, each once and in order.",
        lifespan=lifespan,
        redoc_url=None,
        responses=ERROR_RESPONSES,
    )
    app.state.parts = parts
    app.state.authenticator = Authenticator(parts.settings.sources)
    add_error_handlers(app)

    @app.post(
        "/api/v1/webhooks/receive",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": Event.model_json_schema()}},
            }
        },
    )
    async def receive(push: Annotated[Push, Depends(verified_push)]) -> Accepted:
        """Take in one event, a batch `{"source", "events": […]}` or the form of older senders."""
        receipt = await intake.accept(Submission(push.source, push.events, "push"))
        return Accepted(accepted=receipt.accepted, duplicates=receipt.duplicates)

    @app.get("/health/live", response_model_exclude_none=True)
    async def live() -> Health:
        """The process answers."""
        return Health()

    @app.get("/health/ready", response_model_exclude_none=True)
    def ready() -> Health:
        """Events can be queued."""
        try:
            problem = parts.storage.problem()
        except RedisError as error:
            problem = f"Redis cannot be reached ({type(error).__name__})."
        if problem:
            raise NotReady(problem, retry_after=parts.settings.retry_after)
        return Health(warning=parts.settings.problem)

    @app.get("/api/v1/events", dependencies=[Depends(admin)])
    def events(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> EventList:
        """The events accepted last, newest first."""
        found = [
            (fields["accepted_at"], source, key, fields)
            for source in parts.settings.sources_by_id
            for key, fields in parts.storage.recent(source, limit)
        ]
        found.sort(key=lambda item: int(item[0]), reverse=True)
        return EventList(events=[_listed(*item[1:]) for item in islice(found, limit)])

    return app


def _listed(source: str, key: str, fields: dict[str, str]) -> ListedEvent:
    event_id, _, timestamp = key.partition("@")
    model, _, record_id = fields["record"].partition(":")
    facts: dict[str, Any] = {
        name: _moment(fields.get(name)) for name in ("accepted_at", "handled_at", "confirmed_at")
    }
    return ListedEvent(
        source=source,
        event_id=int(event_id),
        model=model,
        record_id=int(record_id),
        event=fields["event"],
        timestamp=timestamp,
        state=fields["state"],  # type: ignore[arg-type]  # pydantic checks it
        via=fields["via"],  # type: ignore[arg-type]
        **facts,
    )


def _moment(microseconds: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(microseconds) / 1e6, UTC) if microseconds else None
