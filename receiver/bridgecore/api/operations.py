"""The routes that start a pull, and that show the audit log."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import ConfigDict

from bridgecore.api.access import FOR_ADMINS, Parts, TokenName, resolve_sources
from bridgecore.api.guarded_routes import AdminRoute
from bridgecore.api.models import ApiModel

router = APIRouter(
    prefix="/api/v1", tags=["Operations"], dependencies=FOR_ADMINS, route_class=AdminRoute
)


class PullRequest(ApiModel):
    """Which sources to pull, and how. Without a body, all sources are pulled from their cursors."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    source: str | None = None
    """Pull only this source. By default all."""
    reconcile: bool = False
    """True: pull all unconfirmed events, from the beginning of the feed. False: pull only those
    after the cursor."""


class PullStarted(ApiModel):
    """The workers will pull these sources now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"success": True, "sources": ["0c5d4f6a-0000-4000-8000-000000000001"]}]
        }
    )

    success: Literal[True] = True
    sources: list[str]


class AuditEntry(ApiModel):
    """Something that an administrator did, or that the receiver deleted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "1769860800000-0",
                    "at": "2026-01-31T12:00:00Z",
                    "by": "api",
                    "action": "pull.requested",
                    "facts": {
                        "token": "admin",
                        "sources": ["0c5d4f6a-0000-4000-8000-000000000001"],
                    },
                }
            ]
        }
    )

    id: str
    """Send it as `before` to get older entries."""
    at: datetime
    by: Literal["api", "cli", "receiver"]
    """`api`: over HTTP. `cli`: with the command `bridgecore`. `receiver`: by itself."""
    action: str
    """What was done, such as `pull.requested` or `dead_letters.replayed`."""
    facts: dict[str, Any]
    """Details, which depend on the action. If `by` is `api`: in `token`, the token of the request;
    `admin` is BRIDGECORE_ADMIN_TOKEN."""


class AuditLogPage(ApiModel):
    """A page of the audit log, newest entries first."""

    success: Literal[True] = True
    entries: list[AuditEntry]


@router.post("/pull", status_code=202)
def pull(
    parts: Parts,
    token: TokenName,
    request: Annotated[PullRequest, Body(default_factory=PullRequest)],
) -> PullStarted:
    """Pull now, in a worker. An Odoo that is left alone after failed calls is asked, too."""
    sources = resolve_sources(parts, request.source)
    for source in sources:
        parts.messages.pull(source, request.reconcile, force=True)
    parts.storage.audit.note(
        "api", "pull.requested", token=token, sources=sources, reconcile=request.reconcile
    )
    return PullStarted(sources=sources)


@router.get("/audit")
def audit(
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9]{1,18}-[0-9]{1,18}$",
            description="Only older entries: the `id` of the last entry of the page before.",
        ),
    ] = None,
) -> AuditLogPage:
    """List what administrators did and what the receiver deleted, newest first."""
    entries = parts.storage.audit.newest(limit, before)
    return AuditLogPage(
        entries=[AuditEntry.model_validate(entry, from_attributes=True) for entry in entries]
    )
