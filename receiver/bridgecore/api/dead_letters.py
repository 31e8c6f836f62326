"""The routes for dead letters: events that were given up."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field, model_validator

from bridgecore.api.access import FOR_ADMINS, Parts, TokenName, resolve_source, resolve_sources
from bridgecore.api.guarded_routes import AdminRoute
from bridgecore.api.models import KEY_EXAMPLE, KEY_PATTERN, ApiModel, WholeEvent, whole

router = APIRouter(
    prefix="/api/v1/dead-letters",
    tags=["Dead letters"],
    dependencies=FOR_ADMINS,
    route_class=AdminRoute,
)
Key = Annotated[str, Field(pattern=KEY_PATTERN)]


class DeadLetterList(ApiModel):
    """Dead letters, newest first, each with its content and the traceback of the last attempt."""

    success: Literal[True] = True
    dead_letters: list[WholeEvent]
    total: int
    """Number of all dead letters that match, also those that are not in this list."""


class Selection(ApiModel):
    """Which dead letters to change. Give exactly one of `keys`, `model` and `"all": true`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"keys": [KEY_EXAMPLE]}, {"model": "sale.*"}, {"all": True}]
        },
    )

    source: str | None = None
    """The source of the dead letters. Needed if the receiver has several sources."""
    keys: list[Key] = Field(default=[], max_length=10_000)
    """Keys of dead letters."""
    model: str | None = None
    """All dead letters of this model, or of a pattern such as `sale.*`."""
    all: bool = False
    """All dead letters of the source."""

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if [bool(self.keys), bool(self.model), self.all].count(True) != 1:
            raise ValueError('Say which: give exactly one of "keys", "model" and "all": true.')
        return self


class Changed(ApiModel):
    """What the request changed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"success": True, "keys": [KEY_EXAMPLE], "not_dead": []}]}
    )

    success: Literal[True] = True
    keys: list[str]
    """Keys of the dead letters that the request replayed or discarded."""
    not_dead: list[str]
    """The other keys of the request: unknown, or replayed or discarded before."""


@router.get("")
def dead_letters(
    parts: Parts,
    source: Annotated[str | None, Query(description="Only this source. By default all.")] = None,
    model: Annotated[
        str | None,
        Query(description="A model, or a pattern such as `sale.*`.", examples=["sale.*"]),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DeadLetterList:
    """List dead letters: events that were given up, because their handlers kept failing."""
    store = parts.storage.dead_letters
    sources = resolve_sources(parts, source)
    found = [known for id_ in sources for known in store.newest(id_, limit, model)]
    found.sort(key=lambda known: known.fields.get("handled_at", ""), reverse=True)
    total = sum(len(store.keys(id_, model)) for id_ in sources)
    return DeadLetterList(dead_letters=[whole(known) for known in found[:limit]], total=total)


@router.post("/replay")
def replay(parts: Parts, token: TokenName, selection: Selection) -> Changed:
    """Queue dead letters again, each behind the waiting events of its record.

    Each gets as many attempts as a new event. Handlers that succeeded with it are not called again;
    for the others, `event.replayed` is true.
    """
    source = resolve_source(parts, selection.source)
    keys = _keys(parts, source, selection)
    return _changed(selection, parts.dead_letters.replay(source, keys, "api", token))


@router.post("/discard")
def discard(parts: Parts, token: TokenName, selection: Selection) -> Changed:
    """Remove dead letters from the list for good. In Odoo the events stay failed."""
    source = resolve_source(parts, selection.source)
    keys = _keys(parts, source, selection)
    return _changed(selection, parts.dead_letters.discard(source, keys, "api", token))


def _keys(parts: Parts, source: str, selection: Selection) -> list[str]:
    return selection.keys or parts.storage.dead_letters.keys(source, selection.model or None)


def _changed(selection: Selection, keys: list[str]) -> Changed:
    done = set(keys)
    return Changed(keys=keys, not_dead=[key for key in selection.keys if key not in done])
