"""Chooses the languages and companies whose values are copied.

A field that is translated has a value for each language, and a company-dependent field one for each
company. Odoo's API shows the values of one language and one company at a time: a view.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridgecore.copying.matching import Matcher
from bridgecore.copying.values import Field
from bridgecore.odoo.api import OdooApi

#: the language of the values that Odoo shows if a translation is missing
BASE_LANGUAGE = "en_US"


@dataclass(frozen=True, slots=True)
class View:
    """Values of records in one language and for one company."""

    fields: Sequence[Field]
    #: for calls of the source and of the target, which have different ids of companies
    source_context: Mapping[str, Any] = field(default_factory=dict)
    target_context: Mapping[str, Any] = field(default_factory=dict)
    #: code of the language; empty for the base language
    language: str = ""


@dataclass(frozen=True, slots=True)
class Views:
    """The views that both databases have."""

    #: all fields, in the base language and for the first company
    base: View
    #: the translated fields for each other language, and the company-dependent ones for each other
    #: company
    others: Sequence[View]
    #: what is not copied because only the source has that language or company
    notes: Sequence[str]


def common_views(
    source: OdooApi, target: OdooApi, fields: Sequence[Field], matcher: Matcher
) -> Views:
    """Return the views that both databases have.

    Languages are those that are active on both sides. Companies are those of the Odoo users of the
    API keys that are counterparts of each other; the first one is the source user's own, if it has
    a counterpart.
    """
    others: list[View] = []
    notes: list[str] = []
    base = View(fields)
    if any(field.by_company for field in fields):
        base, others = _of_companies(source, target, fields, matcher, notes)
    if translated := [field for field in fields if field.translated]:
        here, there = (
            {code for code, _name in system.call("res.lang", "get_installed")} - {BASE_LANGUAGE}
            for system in (source, target)
        )
        others += [
            View(
                translated,
                {**base.source_context, "lang": code},
                {**base.target_context, "lang": code},
                code,
            )
            for code in sorted(here & there)
        ]
        notes += [
            f"The language {code} is not active in {target.name}, so translations into it are not "
            "copied: activate it there."
            for code in sorted(here - there)
        ]
    return Views(base, others, notes)


def _of_companies(
    source: OdooApi,
    target: OdooApi,
    fields: Sequence[Field],
    matcher: Matcher,
    notes: list[str],
) -> tuple[View, list[View]]:
    """Return the base view, and the views of the other companies."""
    here, there = _companies(source), _companies(target)
    matched = matcher.match("res.company", here)
    pairs = [(one, matched[one]) for one in here if matched.get(one) in there]
    by_company = [field for field in fields if field.by_company]
    if without := [one for one in here if one not in dict(pairs)]:
        notes.append(
            f"Companies {without} of {source.name} have no counterpart among the companies of the "
            f"Odoo user in {target.name}, so values for them are not copied "
            f"({', '.join(field.name for field in by_company)}): copy res.company first, or give "
            "the companies the same external id."
        )
    if not pairs:
        return View([field for field in fields if not field.by_company]), []
    first, *more = (
        (
            {"allowed_company_ids": [one, *(id_ for id_ in here if id_ != one)]},
            {"allowed_company_ids": [other, *(id_ for id_ in there if id_ != other)]},
        )
        for one, other in pairs
    )
    return View(fields, *first), [View(by_company, *contexts) for contexts in more]


def _companies(system: OdooApi) -> list[int]:
    """Return the companies of the user of the API key, the user's own first."""
    user = system.call("res.users", "context_get")["uid"]
    (row,) = system.search("res.users", [["id", "=", user]], ["company_id", "company_ids"])
    own: int = row["company_id"]
    return [own, *sorted(set(row["company_ids"]) - {own})]
