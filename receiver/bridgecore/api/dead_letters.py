"""Events that were given up."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bridgecore.api.access import FOR_ADMINS, Parts, chosen_sources, the_source
from bridgecore.api.models import KEY_EXAMPLE, KEY_PATTERN, WholeEvent, whole

router = APIRouter(prefix="/api/v1/dead-letters", tags=["Dead letters"], dependencies=FOR_ADMINS)
Key = Annotated[str, Field(pattern=KEY_PATTERN)]


class DeadLetterList(BaseModel):
    """Newest first, with the traceback of the last attempt."""

    success: Literal[True] = True
    dead_letters: list[WholeEvent]
    #: of all, also those that are not in this list
    total: int


class Selection(BaseModel):
    """Which dead letters: `keys`, or all of a `model`, or `"all": true`; one of the three."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"keys": [KEY_EXAMPLE]}, {"model": "sale.*"}, {"all": True}]
        },
    )

    #: needed if there are several
    source: str | None = None
    keys: Annotated[list[Key], Field(max_length=10_000)] = []
    #: a name or a pattern
    model: str | None = None
    all: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if [bool(self.keys), bool(self.model), self.all].count(True) != 1:
            raise ValueError('Say which: "keys", "model" or "all": true, one of the three.')
        return self


class Changed(BaseModel):
    """Which of the selected events were dead letters until now."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"success": True, "keys": [KEY_EXAMPLE], "not_dead": []}]}
    )

    success: Literal[True] = True
    keys: list[str]
    #: keys of the request that were none: unknown, or replayed or discarded before
    not_dead: list[str]


@router.get("")
def dead_letters(
    parts: Parts,
    source: Annotated[str | None, Query(description="all by default")] = None,
    model: Annotated[str | None, Query(description="or a pattern", examples=["sale.*"])] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DeadLetterList:
    """Events whose handlers kept failing."""
    store = parts.storage.dead_letters
    sources = chosen_sources(parts, source)
    found = [known for id_ in sources for known in store.newest(id_, limit, model)]
    found.sort(key=lambda known: known.fields.get("handled_at", ""), reverse=True)
    total = sum(len(store.keys(id_, model)) for id_ in sources)
    return DeadLetterList(dead_letters=[whole(known) for known in found[:limit]], total=total)


@router.post("/replay")
def replay(parts: Parts, selection: Selection) -> Changed:
    """Queue them again, behind what waits of their records, for as many attempts as a new event.

    Handlers that succeeded are not called again; the others see `event.replayed`.
    """
    source = the_source(parts, selection.source)
    keys = _keys(parts, source, selection)
    return _changed(selection, parts.dead_letters.replay(source, keys, "api"))


@router.post("/discard")
def discard(parts: Parts, selection: Selection) -> Changed:
    """Take them off the list for good. In Odoo they stay failed."""
    source = the_source(parts, selection.source)
    keys = _keys(parts, source, selection)
    return _changed(selection, parts.dead_letters.discard(source, keys, "api"))


def _keys(parts: Parts, source: str, selection: Selection) -> list[str]:
    return selection.keys or parts.storage.dead_letters.keys(source, selection.model or None)


def _changed(selection: Selection, keys: list[str]) -> Changed:
    done = set(keys)
    return Changed(keys=keys, not_dead=[key for key in selection.keys if key not in done])
