"""Which fields are copied, and how their values compare and travel."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridgecore.odoo.api import OdooApi

_PLAIN = {"char", "text", "html", "selection", "date", "datetime", "boolean"}
_NUMBERS = {"integer", "float", "monetary"}
#: Odoo rounds numbers to a field's digits; what is closer is equal
_DIGITS = 6
#: as the addon does: such a field is copied only if it is named
_SECRET = re.compile("password|secret|token|key")
_LOG_FIELDS = {"id", "create_uid", "create_date", "write_uid", "write_date", "parent_path"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field that both databases have."""

    name: str
    type: str
    #: the model that it links to
    relation: str

    @property
    def links(self) -> bool:
        return self.type in ("many2one", "many2many")

    def linked(self, value: Any) -> list[int]:
        """The ids in a value of a link."""
        if self.type == "many2one":
            return [value] if value else []
        return list(value)

    def translated(self, value: Any, counterparts: dict[int, int]) -> Any:
        """The value with the ids of the other database; of which all must be known."""
        if self.type == "many2one":
            return counterparts[value] if value else False
        return sorted(counterparts[id_] for id_ in value)

    def equals(self, one: Any, other: Any) -> bool:
        if self.type in _NUMBERS:
            return round(float(one), _DIGITS) == round(float(other), _DIGITS)
        if self.type == "many2many":
            return sorted(one) == sorted(other)
        return bool(one == other)

    @property
    def column(self) -> str:
        """Its name for `load`."""
        return f"{self.name}/.id" if self.links else self.name

    def text(self, value: Any) -> str:
        """Its value for `load`."""
        if self.type == "boolean":
            return "1" if value else "0"
        if self.type in _NUMBERS:
            return repr(value)
        if self.type == "many2many":
            return ",".join(map(str, value))
        return str(value) if value else ""

    def written(self, value: Any) -> Any:
        """Its value for `write`."""
        return [[6, 0, value]] if self.type == "many2many" else value


def common_fields(
    source: OdooApi, target: OdooApi, model: str, only: Sequence[str] | None
) -> list[Field]:
    """The fields that can be copied: stored, writable, and alike on both sides.

    Not copied are lists of lines, files, and secrets unless they are named.

    Parameters:
        only: names; None: all.
    """
    here, there = (
        system.call(model, "fields_get", attributes=["type", "relation", "store", "readonly"])
        for system in (source, target)
    )
    return [
        Field(name, facts["type"], facts.get("relation") or "")
        for name, facts in sorted(here.items())
        if name in there
        and facts["type"] == there[name]["type"]
        and facts.get("relation") == there[name].get("relation")
        and (name in only if only is not None else not _SECRET.search(name))
        and _copied(name, facts)
        and _copied(name, there[name])
    ]


def _copied(name: str, facts: dict[str, Any]) -> bool:
    return (
        name not in _LOG_FIELDS
        and facts["type"] in {*_PLAIN, *_NUMBERS, "many2one", "many2many"}
        and facts.get("store", False)
        and not facts.get("readonly", False)
    )
