"""Finds, by external ids, which record of one database corresponds to which one of another."""

from collections.abc import Iterable

from bridgecore.odoo.api import OdooApi

#: Module of the external ids that copies get. Their names say which record is the original.
MODULE = "__bridgecore__"
#: Odoo's model of external ids
_IDS = "ir.model.data"


def external_id(system: str, model: str, record_id: int) -> str:
    """Return the name of the external id that copies of a record have in other databases."""
    return f"{system}_{model.replace('.', '_')}_{record_id}"


class Matcher:
    """Finds the counterparts of one database's records in another database.

    The counterpart of a record is, in this order: its copy there; its original there, if the record
    is itself a copy; the record with the same external id, such as one that comes with Odoo.

    Parameters:
        copied: the model whose records are being copied. Its records get counterparts meanwhile, so
            they are looked up again and again until they have one.
    """

    def __init__(self, here: OdooApi, there: OdooApi, copied: str) -> None:
        self._here = here
        self._there = there
        self._copied = copied
        self._known: dict[tuple[str, int], int] = {}
        self._without: set[tuple[str, int]] = set()

    def match(self, model: str, ids: Iterable[int]) -> dict[int, int]:
        """Return the ids of the counterparts, by record id. Records without one are left out."""
        ids = list(ids)
        wanted = {
            id_
            for id_ in ids
            if (model, id_) not in self._known and (model, id_) not in self._without
        }
        for find in (self._find_copies, self._find_originals, self._find_same_external_ids):
            if missing := sorted(id_ for id_ in wanted if (model, id_) not in self._known):
                for id_, counterpart in find(model, missing).items():
                    self.note(model, id_, counterpart)
        if model != self._copied:
            self._without.update((model, id_) for id_ in wanted if (model, id_) not in self._known)
        return {id_: self._known[model, id_] for id_ in ids if (model, id_) in self._known}

    def note(self, model: str, id_: int, counterpart: int) -> None:
        """Remember the counterpart of a record."""
        self._known[model, id_] = counterpart

    def _find_copies(self, model: str, ids: list[int]) -> dict[int, int]:
        names = {external_id(self._here.name, model, id_): id_ for id_ in ids}
        domain = [["module", "=", MODULE], ["model", "=", model], ["name", "in", list(names)]]
        found = self._there.search(_IDS, domain, ["name", "res_id"])
        return {names[row["name"]]: row["res_id"] for row in found}

    def _find_originals(self, model: str, ids: list[int]) -> dict[int, int]:
        domain = [["module", "=", MODULE], ["model", "=", model], ["res_id", "in", ids]]
        start = external_id(self._there.name, model, 0).removesuffix("0")
        originals = {
            row["res_id"]: int(row["name"].removeprefix(start))
            for row in self._here.search(_IDS, domain, ["name", "res_id"])
            if row["name"].startswith(start)
        }
        if not originals:
            return {}
        # The original may have been deleted meanwhile.
        rows = self._there.search(model, [["id", "in", sorted(originals.values())]], ["id"])
        there = {row["id"] for row in rows}
        return {id_: original for id_, original in originals.items() if original in there}

    def _find_same_external_ids(self, model: str, ids: list[int]) -> dict[int, int]:
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
