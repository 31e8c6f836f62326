"""Copies the translations that Odoo's `load` cannot write.

Odoo translates some fields (most HTML fields) term by term: a text in another language is the text
in the base language with its terms replaced. Writing such a text as a whole would change the terms
of all languages. Other fields have a value for each language, but a `load` with an empty value
would empty all languages.
"""

from collections.abc import Mapping
from typing import Any

from bridgecore.copying.values import Field
from bridgecore.copying.views import BASE_LANGUAGE
from bridgecore.odoo.api import OdooApi


class Translations:
    """Copies translations record by record."""

    def __init__(self, source: OdooApi, target: OdooApi, model: str) -> None:
        self._source = source
        self._target = target
        self._model = model
        self._by_terms: dict[str, bool] = {}

    def can_load(self, field: Field, id_: int, language: str, value: Any, base: Any) -> bool:
        """Return whether `load` can write the value of a field in a language.

        Parameters:
            id_: a record of the source.
            value: its value in that language.
            base: its value in the base language.
        """
        if field.name not in self._by_terms:
            _terms, facts = self._terms(field, id_, language)
            self._by_terms[field.name] = bool(facts["translation_show_source"])
        return bool(value and base) and not self._by_terms[field.name]

    def copy(
        self, field: Field, id_: int, counterpart: int, language: str, value: Any, base: Any
    ) -> None:
        """Copy the translation of one field of one record.

        Raises:
            OdooRefused
        """
        translations: Mapping[str, Any]
        if self._by_terms[field.name]:
            terms, _facts = self._terms(field, id_, language)
            translations = {language: {term["source"]: term["value"] for term in terms}}
        elif base:
            translations = {language: value or ""}
        else:
            translations = {BASE_LANGUAGE: "", language: value or ""}
        self._target.call(
            self._model,
            "update_field_translations",
            ids=[counterpart],
            field_name=field.name,
            translations=translations,
        )

    def _terms(self, field: Field, id_: int, language: str) -> Any:
        return self._source.call(
            self._model,
            "get_field_translations",
            ids=[id_],
            field_name=field.name,
            langs=[language],
        )
