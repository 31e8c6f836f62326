"""Copies records from one Odoo database to another, and back if asked."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bridgecore.copying.links import Links
from bridgecore.copying.loading import Loaded, Loader, Row
from bridgecore.copying.matching import MODULE, Matcher, external_id
from bridgecore.copying.result import Copy, Result, Tally
from bridgecore.copying.translations import Translations
from bridgecore.copying.values import Field, common_fields
from bridgecore.copying.views import View, common_views
from bridgecore.errors import OdooRefused
from bridgecore.odoo.api import OdooApi

log = logging.getLogger(__name__)

#: records that are read and compared together
PAGE = 200

#: values of records, by their ids
Records = Mapping[int, Mapping[str, Any]]


class Copying:
    """Copies the records that match a filter.

    A record that has a counterpart in the target updates it. Other records are created there.
    """

    def __init__(self, source: OdooApi, target: OdooApi, model: str) -> None:
        self._source = source
        self._target = target
        self._model = model

    def run(
        self,
        filters: Sequence[Any] = (),
        bidirectional: bool = False,
        fields: Sequence[str] | None = None,
    ) -> Result:
        """Copy from the source to the target; then, if asked, from the target to the source.

        With `bidirectional`, if a record and its counterpart differ, the one that was written later
        replaces the other one. Without it, the source's record always wins.

        Parameters:
            filters: an Odoo domain, for both directions.
            fields: names of fields; None for all fields that can be copied.

        Raises:
            OdooUnavailable: an Odoo cannot be reached. The records copied so far stay.
            OdooRefused: an Odoo does not let the user read the model.
        """
        there = _Direction(self._source, self._target, self._model, fields, bidirectional)
        result = there.copy(filters, leave_out=())
        if bidirectional:
            back = _Direction(
                self._target, self._source, self._model, fields, True, source_wins_tie=False
            )
            result["reverse"] = back.copy(filters, leave_out=there.written)
        return result


class _Direction:
    """One direction of a copy.

    Parameters:
        newest_wins: leave a counterpart as it is if it was written later than the record.
        source_wins_tie: update the counterpart if both were written in the same second.
    """

    def __init__(
        self,
        source: OdooApi,
        target: OdooApi,
        model: str,
        fields: Sequence[str] | None,
        newest_wins: bool,
        source_wins_tie: bool = True,
    ) -> None:
        self._source, self._target, self._model = source, target, model
        self._newest_wins, self._source_wins_tie = newest_wins, source_wins_tie
        self._matcher = Matcher(source, target, model)
        self._links = Links(self._matcher, Matcher(target, source, model))
        chosen = common_fields(source, target, model, fields)
        views = common_views(source, target, chosen, self._matcher)
        self._base, self._others = views.base, views.others
        self._loader = Loader(target, model, self._base.fields)
        self._translations = Translations(source, target, model)
        self._tally = Tally(source.name, target.name, model, views.notes)
        #: ids in the target that this run has created or updated
        self.written: set[int] = set()

    def copy(self, filters: Sequence[Any], leave_out: Collection[int]) -> Result:
        """Copy the records that match, except for those with these ids.

        Raises:
            OdooUnavailable, OdooRefused
        """
        waiting: list[Copy] = []
        for page in self._pages(filters):
            waiting += self._copy_page([record for record in page if record["id"] not in leave_out])
        # All records are copied now, so links to records of the same model can be added.
        for start in range(0, len(waiting), PAGE):
            self._add_links(waiting[start : start + PAGE])
        result = self._tally.result
        log.info("copied %s", {k: v for k, v in result.items() if k not in ("messages", "notes")})
        return result

    def _pages(self, filters: Sequence[Any]) -> Iterator[list[dict[str, Any]]]:
        """Yield the source's records in pages. The next page is read while this one is copied."""

        def read(last: int) -> list[dict[str, Any]]:
            domain = [["id", ">", last], *filters]
            return self._search(self._source, self._base, domain, limit=PAGE, order="id")

        with ThreadPoolExecutor(1) as reader:
            page = read(0)
            while page:
                following = reader.submit(read, page[-1]["id"])
                yield page
                page = following.result()

    def _copy_page(self, records: list[dict[str, Any]]) -> list[Copy]:
        """Copy records. Return those that wait for the copies of others, not counted yet."""
        if not records:
            return []
        copies = {record["id"]: Copy(record["id"]) for record in records}
        here = {record["id"]: record for record in records}
        matched = self._matcher.match(self._model, list(copies))
        there = self._read(self._target, self._base, matched.values())
        for copy in copies.values():
            counterpart = there.get(matched.get(copy.id, 0))
            if counterpart:
                copy.counterpart = counterpart["id"]
                copy.wins = self._wins(here[copy.id], counterpart)
        self._write(self._base, copies, here, there)
        for view in self._others:
            self._copy_view(view, copies, here)
        self._count(copy for copy in copies.values() if not copy.waits)
        return [copy for copy in copies.values() if copy.waits]

    def _add_links(self, waiting: Sequence[Copy]) -> None:
        """Add the links that had to wait for the copies of other records, and count the records."""
        copies = {copy.id: copy for copy in waiting}
        for view in (self._base, *self._others):
            own = [field for field in view.fields if field.relation == self._model]
            if own:
                links = View(own, view.source_context, view.target_context)
                self._copy_view(links, copies, {}, last=True)
        self._count(waiting)

    def _count(self, copies: Iterable[Copy]) -> None:
        for copy in copies:
            self._tally.count(copy)
            if copy.refused:
                log.warning("record not copied model=%s id=%d", self._model, copy.id)
            if copy.counterpart and (copy.created or copy.updated):
                self.written.add(copy.counterpart)

    def _wins(self, record: Mapping[str, Any], counterpart: Mapping[str, Any]) -> bool:
        if not self._newest_wins:
            return True
        if record["write_date"] == counterpart["write_date"]:
            return self._source_wins_tie
        return bool(record["write_date"] > counterpart["write_date"])

    def _copy_view(
        self, view: View, copies: Mapping[int, Copy], base: Records, last: bool = False
    ) -> None:
        """Copy what the fields of a view show, of records that have counterparts.

        Parameters:
            base: the values of the records in the base view.
            last: links that have no counterpart now will never have one in this run.
        """
        copies = {id_: copy for id_, copy in copies.items() if copy.counterpart}
        here = self._read(self._source, view, copies)
        there = self._read(self._target, view, (copy.counterpart or 0 for copy in copies.values()))
        if view.language:
            self._write_translations(view, copies, here, there, base)
        else:
            self._write(view, copies, here, there, last)

    def _write(
        self, view: View, copies: Mapping[int, Copy], here: Records, there: Records,
        last: bool = False,
    ) -> None:  # fmt: skip
        """Create and update the counterparts in a view."""
        self._links.look_up(view.fields, here.values(), there.values())
        new, changed = [], []
        for copy in copies.values():
            record, counterpart = here.get(copy.id), there.get(copy.counterpart or 0)
            if record is None or (copy.counterpart and counterpart is None):
                continue
            values = self._values(view, copy, record, counterpart, last)
            if counterpart is None:
                name = external_id(self._source.name, self._model, copy.id)
                new.append(Row(copy.id, f"{MODULE}.{name}", values))
            elif copy.wins and (changes := _changes(view.fields, values, counterpart)):
                changed.append(Row(copy.id, counterpart["id"], changes))
        self._note(copies, self._loader.create(new, view.target_context), created=True)
        self._note(copies, self._loader.update(changed, view.target_context))

    def _values(
        self,
        view: View,
        copy: Copy,
        record: Mapping[str, Any],
        counterpart: Mapping[str, Any] | None,
        last: bool,
    ) -> dict[str, Any]:
        """Return the values of a record for the target; note what is left out."""
        values = {}
        for field in view.fields:
            value = record[field.name]
            if field.links:
                present = counterpart[field.name] if counterpart else None
                value, missing = self._links.translated(field, value, present)
                if missing and field.relation == self._model and not last:
                    copy.waits = True
                elif missing:
                    copy.left_out[field.name] = _no_counterpart(field, missing, self._target.name)
            values[field.name] = value
        return values

    def _write_translations(
        self,
        view: View,
        copies: Mapping[int, Copy],
        here: Records,
        there: Records,
        base: Records,
    ) -> None:
        """Write the translations into the language of a view."""
        changed = []
        for copy in copies.values():
            record, counterpart = here.get(copy.id), there.get(copy.counterpart or 0)
            if record is None or counterpart is None or not copy.wins:
                continue
            changes = _changes(view.fields, record, counterpart)
            for field in view.fields:
                if field.name not in changes:
                    continue
                value, first = changes[field.name], base[copy.id][field.name]
                if not self._translations.can_load(field, copy.id, view.language, value, first):
                    del changes[field.name]
                    self._write_translation(view, copy, counterpart["id"], field, value, first)
            if changes:
                changed.append(Row(copy.id, counterpart["id"], changes))
        self._note(copies, self._loader.update(changed, view.target_context))

    def _write_translation(
        self, view: View, copy: Copy, counterpart: int, field: Field, value: Any, base: Any
    ) -> None:
        """Write one translation, and note if the target does not show it afterwards."""
        only = View([field], view.source_context, view.target_context)
        try:
            self._translations.copy(field, copy.id, counterpart, view.language, value, base)
        except OdooRefused as error:
            copy.refused = str(error)
            return
        after = self._read(self._target, only, [counterpart])
        if field.equals(value, after[counterpart][field.name]):
            copy.updated = True
        else:
            copy.left_out[field.name] = (
                f"{field.name}: the terms of the text in {self._target.name} differ from those in "
                f"{self._source.name}, so the translation into {view.language} does not fit."
            )

    def _note(self, copies: Mapping[int, Copy], loaded: Loaded, created: bool = False) -> None:
        """Note what became of rows."""
        for id_, counterpart in loaded.ids.items():
            copy = copies[id_]
            copy.counterpart = counterpart
            if created:
                copy.created = True
                self._matcher.note(self._model, id_, counterpart)
            else:
                copy.updated = True
        for id_, message in loaded.refused.items():
            copies[id_].refused = message
            if created:  # nothing of it is in the target, so nothing waits or was left out
                copies[id_].waits = False
                copies[id_].left_out.clear()

    def _read(self, system: OdooApi, view: View, ids: Iterable[int]) -> Records:
        if not (wanted := sorted(ids)):
            return {}
        found = self._search(system, view, [["id", "in", wanted]])
        return {record["id"]: record for record in found}

    def _search(
        self, system: OdooApi, view: View, domain: list[Any], **options: Any
    ) -> list[dict[str, Any]]:
        context = view.source_context if system is self._source else view.target_context
        names = [field.name for field in view.fields]
        return system.search(
            self._model, domain, [*names, "write_date"], context=context, **options
        )


def _changes(
    fields: Sequence[Field], values: Mapping[str, Any], counterpart: Mapping[str, Any]
) -> dict[str, Any]:
    """Return those values that differ from the counterpart's."""
    return {
        field.name: values[field.name]
        for field in fields
        if not field.equals(values[field.name], counterpart[field.name])
    }


def _no_counterpart(field: Field, missing: Sequence[int], target: str) -> str:
    """Return the message about links that were left out."""
    some = ", ".join(map(str, missing[:3])) + (", …" if len(missing) > 3 else "")
    return (
        f"{field.name}: {field.relation} {some} has no counterpart in {target}: copy "
        f"{field.relation} first, or give the records there the same external id."
    )
