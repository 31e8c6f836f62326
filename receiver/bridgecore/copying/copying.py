"""Copies records from one Odoo database to another, and back if asked."""

import logging
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NotRequired, TypedDict

from bridgecore.copying.matching import MODULE, Matcher, external_id
from bridgecore.copying.values import Field, common_fields
from bridgecore.errors import OdooRefused
from bridgecore.odoo.api import OdooApi

log = logging.getLogger(__name__)

#: records that are read, compared and created together
PAGE = 200
#: most error messages in a result
MESSAGES = 100


class Result(TypedDict):
    """What became of the records of a copy."""

    source: str
    target: str
    model: str
    created: int
    updated: int
    unchanged: int
    errors: int
    #: the first errors: id of the record in the source, and the message of the target
    messages: list[dict[str, Any]]
    #: the result of the other direction; only if it was asked for
    reverse: NotRequired["Result"]


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
        self._fields = common_fields(source, target, model, fields)
        self._matcher = Matcher(source, target)
        #: ids in the target that this run has created or updated
        self.written: set[int] = set()
        #: Ids of records that link to records of the same model which were not copied yet. The
        #: links are added at the end.
        self._missing_links: list[int] = []
        self._result: Result = {
            "source": source.name,
            "target": target.name,
            "model": model,
            "created": 0,
            "updated": 0,
            "unchanged": 0,
            "errors": 0,
            "messages": [],
        }

    def copy(self, filters: Sequence[Any], leave_out: Collection[int]) -> Result:
        """Copy the records that match, except for those with these ids.

        Raises:
            OdooUnavailable, OdooRefused
        """
        for page in self._pages(filters):
            self._copy_page([record for record in page if record["id"] not in leave_out])
        # All records are copied now, so the missing links can be added. They count as part of the
        # first copy of their record, and not as an update.
        for start in range(0, len(self._missing_links), PAGE):
            ids = self._missing_links[start : start + PAGE]
            self._add_missing_links(self._read(self._source, [["id", "in", ids]]))
        log.info("copied %s", {k: v for k, v in self._result.items() if k != "messages"})
        return self._result

    def _pages(self, filters: Sequence[Any]) -> Iterator[list[dict[str, Any]]]:
        last = 0
        while page := self._read(
            self._source, [["id", ">", last], *filters], limit=PAGE, order="id"
        ):
            last = page[-1]["id"]
            yield page

    def _read(self, system: OdooApi, domain: list[Any], **options: Any) -> list[dict[str, Any]]:
        names = [field.name for field in self._fields]
        return system.search(self._model, domain, [*names, "write_date"], **options)

    def _copy_page(self, records: list[dict[str, Any]]) -> None:
        counterparts = self._counterparts(records)
        new = []
        for record, values in self._translated(records):
            counterpart = counterparts.get(record["id"])
            if counterpart is None:
                new.append((record["id"], values))
            else:
                self._update(record, counterpart, values)
        self._create(new)

    def _add_missing_links(self, records: list[dict[str, Any]]) -> None:
        counterparts = self._counterparts(records)
        for record, values in self._translated(records):
            if counterpart := counterparts.get(record["id"]):
                changes = self._changes(counterpart, values)
                if changes and counterpart["id"] in self.written:
                    self._write(record["id"], counterpart["id"], changes)

    def _counterparts(self, records: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """Return the counterparts in the target with their values, by the ids of the records."""
        matched = self._matcher.match(self._model, [record["id"] for record in records])
        found = self._read(self._target, [["id", "in", sorted(matched.values())]])
        by_id = {record["id"]: record for record in found}
        return {id_: by_id[other] for id_, other in matched.items() if other in by_id}

    def _translated(
        self, records: list[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each record with its values for the target.

        A link to a record without counterpart is left out, so the target keeps the value it has.
        """
        links = [field for field in self._fields if field.links]
        known: dict[str, dict[int, int]] = {}
        for relation in {field.relation for field in links}:
            fields = [field for field in links if field.relation == relation]
            ids = {id_ for r in records for field in fields for id_ in field.linked(r[field.name])}
            known[relation] = self._matcher.match(relation, sorted(ids))
        for record in records:
            values = {}
            for field in self._fields:
                value = record[field.name]
                if not field.links:
                    values[field.name] = value
                elif known[field.relation].keys() >= set(field.linked(value)):
                    values[field.name] = field.translated(value, known[field.relation])
                elif field.relation == self._model and record["id"] not in self._missing_links:
                    self._missing_links.append(record["id"])
            yield record, values

    def _changes(self, counterpart: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Return those values that differ from the counterpart's, in the form for `write`."""
        return {
            field.name: field.for_write(values[field.name])
            for field in self._fields
            if field.name in values
            and not field.equals(values[field.name], counterpart[field.name])
        }

    def _update(
        self, record: dict[str, Any], counterpart: dict[str, Any], values: dict[str, Any]
    ) -> None:
        changes = self._changes(counterpart, values)
        if not changes or not self._wins(record, counterpart):
            self._result["unchanged"] += 1
        elif self._write(record["id"], counterpart["id"], changes):
            self._result["updated"] += 1

    def _wins(self, record: dict[str, Any], counterpart: dict[str, Any]) -> bool:
        if not self._newest_wins or record["write_date"] == counterpart["write_date"]:
            return self._source_wins_tie
        return bool(record["write_date"] > counterpart["write_date"])

    def _write(self, id_: int, counterpart: int, changes: dict[str, Any]) -> bool:
        """Update the counterpart of a record. Return whether the target accepted that."""
        try:
            self._target.call(self._model, "write", ids=[counterpart], vals=changes)
        except OdooRefused as error:
            self._failed(id_, str(error))
            return False
        self.written.add(counterpart)
        return True

    def _create(self, new: list[tuple[int, dict[str, Any]]]) -> None:
        """Create records with Odoo's `load`.

        `load` creates a record and its external id in one transaction. So if a run breaks off, the
        next run knows all copies that it made.
        """
        if not new:
            return
        try:
            ids, error = self._load(new)
        except OdooRefused as refused:
            ids, error = [], str(refused)
        if ids:
            self._result["created"] += len(ids)
            self.written.update(ids)
            for (id_, _values), counterpart in zip(new, ids, strict=True):
                self._matcher.note(self._model, id_, counterpart)
        elif len(new) == 1:
            self._failed(new[0][0], error)
        else:  # `load` creates none of the records if one is wrong: find it by halving
            middle = len(new) // 2
            self._create(new[:middle])
            self._create(new[middle:])

    def _load(self, new: list[tuple[int, dict[str, Any]]]) -> tuple[list[int], str]:
        """Create all records or none. Return the new ids, or no ids and the error message."""
        used = [f for f in self._fields if any(f.name in values for _, values in new)]
        rows = [
            [
                f"{MODULE}.{external_id(self._source.name, self._model, id_)}",
                *(_load_value(field, values) for field in used),
            ]
            for id_, values in new
        ]
        columns = ["id", *(field.column for field in used)]
        answer = self._target.call(self._model, "load", fields=columns, data=rows)
        messages = [message["message"] for message in answer["messages"]]
        return answer["ids"] or [], "; ".join(map(str, messages))

    def _failed(self, id_: int, message: str) -> None:
        self._result["errors"] += 1
        if len(self._result["messages"]) < MESSAGES:
            self._result["messages"].append({"id": id_, "message": message})
        log.warning("record not copied model=%s id=%d", self._model, id_)


def _load_value(field: Field, values: dict[str, Any]) -> str:
    return field.for_load(values[field.name]) if field.name in values else ""
