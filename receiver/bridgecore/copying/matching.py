"""Which record of one database is which of another, by their external ids."""

from collections.abc import Iterable

from bridgecore.odoo.api import OdooApi

#: module of the external ids that copies get; the name says where the original is
MODULE = "__bridgecore__"
_IDS = "ir.model.data"


def external_id(system: str, model: str, record_id: int) -> str:
    """The name that the copy of a record has in other databases."""
    return f"{system}_{model.replace('.', '_')}_{record_id}"


class Matcher:
    """Finds the counterparts of one database's records in another one.

    In this order: the record is the original of a copy there; it is itself a copy of a record
    there; both have the same external id, as records have that come with Odoo.
    """

    def __init__(self, here: OdooApi, there: OdooApi) -> None:
        self._here = here
        self._there = there
        self._known: dict[tuple[str, int], int] = {}

    def match(self, model: str, ids: Iterable[int]) -> dict[int, int]:
        """The counterparts, for those that have one."""
        wanted = {id_ for id_ in ids if (model, id_) not in self._known}
        for find in (self._copies, self._originals, self._namesakes):
            if missing := sorted(id_ for id_ in wanted if (model, id_) not in self._known):
                for id_, counterpart in find(model, missing).items():
                    self.note(model, id_, counterpart)
        return {id_: self._known[model, id_] for id_ in ids if (model, id_) in self._known}

    def note(self, model: str, id_: int, counterpart: int) -> None:
        self._known[model, id_] = counterpart

    def _copies(self, model: str, ids: list[int]) -> dict[int, int]:
        names = {external_id(self._here.name, model, id_): id_ for id_ in ids}
        domain = [["module", "=", MODULE], ["model", "=", model], ["name", "in", list(names)]]
        found = self._there.search(_IDS, domain, ["name", "res_id"])
        return {names[row["name"]]: row["res_id"] for row in found}

    def _originals(self, model: str, ids: list[int]) -> dict[int, int]:
        domain = [["module", "=", MODULE], ["model", "=", model], ["res_id", "in", ids]]
        start = external_id(self._there.name, model, 0).removesuffix("0")
        claimed = {
            row["res_id"]: int(row["name"].removeprefix(start))
            for row in self._here.search(_IDS, domain, ["name", "res_id"])
            if row["name"].startswith(start)
        }
        if not claimed:
            return {}
        # The original may have been deleted meanwhile.
        rows = self._there.search(model, [["id", "in", sorted(claimed.values())]], ["id"])
        there = {row["id"] for row in rows}
        return {id_: original for id_, original in claimed.items() if original in there}

    def _namesakes(self, model: str, ids: list[int]) -> dict[int, int]:
        fields = ["module", "name", "res_id"]
        domain = [["module", "!=", MODULE], ["model", "=", model], ["res_id", "in", ids]]
        here = self._here.search(_IDS, domain, fields)
        if not here:
            return {}
        names = sorted({row["name"] for row in here})
        domain = [["module", "!=", MODULE], ["model", "=", model], ["name", "in", names]]
        there = {
            (row["module"], row["name"]): row["res_id"]
            for row in self._there.search(_IDS, domain, fields)
        }
        return {
            row["res_id"]: there[row["module"], row["name"]]
            for row in here
            if (row["module"], row["name"]) in there
        }
