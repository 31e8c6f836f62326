"""Setting off a pull, and the audit log."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict

from bridgecore.api.access import FOR_ADMINS, Parts, chosen_sources

router = APIRouter(prefix="/api/v1", tags=["Operations"], dependencies=FOR_ADMINS)


class PullRequest(BaseModel):
    """Which feeds to read, and how. Without it, all, for what is new."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    #: all by default
    source: str | None = None
    #: ask for everything unconfirmed from the beginning, not for what is new
    reconcile: bool = False


class PullStarted(BaseModel):
    """Workers have been told to pull."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"success": True, "sources": ["0c5d4f6a-0000-4000-8000-000000000001"]}]
        }
    )

    success: Literal[True] = True
    sources: list[str]


class AuditEntry(BaseModel):
    """Something that was done by hand or cannot be undone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "1769860800000-0",
                    "at": "2026-01-31T12:00:00Z",
                    "by": "api",
                    "action": "pull.requested",
                    "facts": {"sources": ["0c5d4f6a-0000-4000-8000-000000000001"]},
                }
            ]
        }
    )

    id: str
    at: datetime
    by: Literal["api", "cli", "receiver"]
    action: str
    facts: dict[str, Any]


class AuditLogPage(BaseModel):
    """Newest first."""

    success: Literal[True] = True
    entries: list[AuditEntry]


@router.post("/pull", status_code=202)
def pull(
    parts: Parts, wanted: Annotated[PullRequest, Body(default_factory=PullRequest)]
) -> PullStarted:
    """Have feeds read now, also from an Odoo that is left alone because it failed."""
    sources = chosen_sources(parts, wanted.source)
    for source in sources:
        parts.messages.pull(source, wanted.reconcile, force=True)
    parts.storage.audit.note("api", "pull.requested", sources=sources, reconcile=wanted.reconcile)
    return PullStarted(sources=sources)


@router.get("/audit")
def audit(
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        str | None,
        Query(pattern=r"^[0-9]{1,18}-[0-9]{1,18}$", description="id of the last entry before"),
    ] = None,
) -> AuditLogPage:
    """What was done by hand, and what was deleted."""
    entries = parts.storage.audit.newest(limit, before)
    return AuditLogPage(
        entries=[AuditEntry.model_validate(entry, from_attributes=True) for entry in entries]
    )
