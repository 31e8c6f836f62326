"""Chooses the fields that are copied, compares their values, and converts them for Odoo's API."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridgecore.odoo.api import OdooApi

_PLAIN = {"char", "text", "html", "selection", "date", "datetime", "boolean"}
_TEXTS = {"char", "text", "html"}
_NUMBERS = {"integer", "float", "monetary"}
#: Decimal places in which two numbers must agree to be equal: Odoo rounds to the digits of a field.
_DIGITS = 6
#: A field with such a name is copied only if the caller names it. The addon has the same rule.
_SECRET = re.compile("password|secret|token|key")
#: what the API tells about a field
_ATTRIBUTES = ["type", "relation", "store", "readonly", "translate", "company_dependent"]
_LOG_FIELDS = {"id", "create_uid", "create_date", "write_uid", "write_date", "parent_path"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field that both databases have."""

    name: str
    type: str
    #: the model that it links to; empty if it is no link
    relation: str
    #: whether it has a value for each language, in both databases
    translated: bool = False
    #: whether it has a value for each company, in both databases
    by_company: bool = False

    @property
    def links(self) -> bool:
        """Whether the values are ids of other records."""
        return self.type in ("many2one", "many2many")

    def linked(self, value: Any) -> list[int]:
        """Return the ids in the value of a link."""
        if self.type == "many2one":
            return [value] if value else []
        return list(value)

    def equals(self, one: Any, other: Any) -> bool:
        """Return whether two values of the field are equal for Odoo."""
        if self.type in _NUMBERS:
            return round(float(one), _DIGITS) == round(float(other), _DIGITS)
        if self.type == "many2many":
            return sorted(one) == sorted(other)
        if self.type in _TEXTS:  # `load` stores an empty text as no text
            return bool((one or "") == (other or ""))
        return bool(one == other)

    @property
    def column(self) -> str:
        """The name of the field for Odoo's `load`."""
        return f"{self.name}/.id" if self.links else self.name

    def for_load(self, value: Any) -> str:
        """Return a value in the form for Odoo's `load`."""
        if self.type == "boolean":
            return "1" if value else "0"
        if self.type in _NUMBERS:
            return repr(value)
        if self.type == "many2many":
            return ",".join(map(str, value))
        return str(value) if value else ""


def common_fields(
    source: OdooApi, target: OdooApi, model: str, only: Sequence[str] | None
) -> list[Field]:
    """Return the fields that can be copied: stored, writable, and of the same type on both sides.

    One2many and binary fields are not copied. Fields that look like secrets are copied only if
    `only` names them.

    Parameters:
        only: names of fields; None for all.
    """
    here, there = (
        system.call(model, "fields_get", attributes=_ATTRIBUTES) for system in (source, target)
    )
    return [
        Field(
            name,
            facts["type"],
            facts.get("relation") or "",
            *(
                all(bool(side[name].get(attribute)) for side in (here, there))
                for attribute in ("translate", "company_dependent")
            ),
        )
        for name, facts in sorted(here.items())
        if name in there
        and facts["type"] == there[name]["type"]
        and facts.get("relation") == there[name].get("relation")
        and (name in only if only is not None else not _SECRET.search(name))
        and _can_be_copied(name, facts)
        and _can_be_copied(name, there[name])
    ]


def _can_be_copied(name: str, facts: dict[str, Any]) -> bool:
    return (
        name not in _LOG_FIELDS
        and facts["type"] in {*_PLAIN, *_NUMBERS, "many2one", "many2many"}
        and facts.get("store", False)
        and not facts.get("readonly", False)
    )
