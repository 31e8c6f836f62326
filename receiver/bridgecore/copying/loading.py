"""Writes many records with one call of Odoo's `load`, and finds those that Odoo refuses."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from bridgecore.copying.values import Field
from bridgecore.errors import OdooRefused
from bridgecore.odoo.api import OdooApi

#: calls at the same time; an Odoo in production has several processes
AT_ONCE = 4
#: most records of one call
LARGEST = 50
#: records of a call, as long as nobody knows how many Odoo refuses
FIRST = 20
#: A call costs as much time as Odoo takes for so many records that it tries alone (measured).
_COST_OF_CALL = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A record to load."""

    #: id in the source
    id: int
    #: external id that a new record gets; or the id in the target of a record to update
    key: str | int
    #: the values for the target; rows to create have all fields
    values: Mapping[str, Any]


@dataclass(slots=True)
class Loaded:
    """What became of rows, by their ids in the source."""

    #: ids in the target of the records that Odoo created or updated
    ids: dict[int, int] = field(default_factory=dict)
    #: Odoo's messages about the rows that it refused
    refused: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Answer:
    """What Odoo answered to rows: it loaded all of them or none."""

    ids: dict[int, int] = field(default_factory=dict)
    #: rows that Odoo blames for the failure
    blamed: list[Row] = field(default_factory=list)
    #: the other rows of a call that failed
    innocent: list[Row] = field(default_factory=list)
    message: str = ""


class Loader:
    """Creates and updates records of a model.

    `load` does all rows of a call or none, in one transaction. If it fails, it tries each row
    alone, says which ones failed, and takes all back. That costs several times as much as a call
    that succeeds. So the more rows Odoo has refused so far, the fewer rows this class sends in a
    call, and the calls run side by side. The rows that were not blamed are then sent again
    together, and each blamed row alone: Odoo may blame a wrong one, and a row may have failed
    because another call changed the same data.

    Raises, from all calls:
        OdooUnavailable: Odoo cannot be reached. Rows loaded so far stay.
    """

    def __init__(self, target: OdooApi, model: str, fields: Sequence[Field]) -> None:
        self._target = target
        self._model = model
        self._fields = {field.name: field for field in fields}
        self._tried = 0
        self._refused = 0

    def create(self, rows: Sequence[Row], context: Mapping[str, Any]) -> Loaded:
        """Create records together with their external ids.

        Odoo does not note the creation in the records' messages, and does not make the user of the
        API key a follower; Odoo's own importer does not, either.
        """
        result = Loaded()
        self._load_all(rows, "id", {**context, "tracking_disable": True}, result)
        return result

    def update(self, rows: Sequence[Row], context: Mapping[str, Any]) -> Loaded:
        """Update records. Rows of the same fields travel together."""
        result = Loaded()
        groups: dict[frozenset[str], list[Row]] = {}
        for row in rows:
            groups.setdefault(frozenset(row.values), []).append(row)
        for group in groups.values():
            self._load_all(group, ".id", context, result)
        return result

    def _load_all(
        self, rows: Sequence[Row], key: str, context: Mapping[str, Any], result: Loaded
    ) -> None:
        """Load rows in groups, several at the same time; then settle those that failed, in turn."""
        size = self._size
        groups = [rows[start : start + size] for start in range(0, len(rows), size)]
        innocent: list[Row] = []
        blamed: list[Row] = []
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for answer in threads.map(lambda group: self._load(group, key, context), groups):
                result.ids |= answer.ids
                innocent += answer.innocent
                blamed += answer.blamed
        self._tried += len(rows)
        while innocent:
            answer = self._load(innocent, key, context)
            result.ids |= answer.ids
            innocent = answer.innocent
            blamed += answer.blamed
        for row in blamed:
            answer = self._load([row], key, context)
            result.ids |= answer.ids
            if answer.blamed:
                self._refused += 1
                result.refused[row.id] = answer.message

    @property
    def _size(self) -> int:
        """How many rows a call should have, so that a row takes the least time.

        If one row of n is refused, a group of √n rows is best (Dorfman 1943), or √(cost · n) if
        each call has a cost of its own. Around that size the cost changes little: if 1 % of
        contacts are refused, 14 to 25 rows a call cost Odoo the same (measured).
        """
        if not self._tried:
            return FIRST
        if not self._refused:
            return LARGEST
        return max(1, min(LARGEST, isqrt(_COST_OF_CALL * self._tried // self._refused)))

    def _load(self, rows: Sequence[Row], key: str, context: Mapping[str, Any]) -> _Answer:
        """Load all rows or none, with one call. If Odoo blames no row, load each half."""
        fields = [self._fields[name] for name in rows[0].values]
        data = [
            [str(row.key), *(field.for_load(row.values[field.name]) for field in fields)]
            for row in rows
        ]
        columns = [key, *(field.column for field in fields)]
        errors: list[dict[str, Any]] = []
        try:
            answer = self._target.call(
                self._model, "load", context=context, fields=columns, data=data
            )
        except OdooRefused as refused:
            message = str(refused)
        else:
            if answer["ids"]:
                return _Answer(dict(zip((row.id for row in rows), answer["ids"], strict=True)))
            errors = [error for error in answer["messages"] if error["type"] == "error"]
            texts = (str(error["message"]) for error in answer["messages"])
            message = "; ".join(dict.fromkeys(texts))
        if len(rows) == 1:
            return _Answer(blamed=list(rows), message=message)
        numbers = {error.get("record") for error in errors}
        blamed = [row for number, row in enumerate(rows) if number in numbers]
        if blamed:
            innocent = [row for number, row in enumerate(rows) if number not in numbers]
            return _Answer(blamed=blamed, innocent=innocent)
        middle = len(rows) // 2
        one, other = (self._load(half, key, context) for half in (rows[:middle], rows[middle:]))
        return _Answer(
            one.ids | other.ids, one.blamed + other.blamed, one.innocent + other.innocent
        )
