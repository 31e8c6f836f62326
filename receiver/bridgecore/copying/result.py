"""The result of a copy."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

#: most error messages in a result
MESSAGES = 100


class Result(TypedDict):
    """What became of the records of a copy."""

    source: str
    target: str
    model: str
    created: int
    updated: int
    #: records whose counterparts had all their values already, or were written later
    unchanged: int
    #: records that the target refused, whole or in part
    errors: int
    #: Records of which something was left out. They may also be created or updated, but are never
    #: unchanged.
    incomplete: int
    #: how many records a field was left out of, wholly or in part
    left_out: dict[str, int]
    #: The first errors: `id` of the record in the source, and `message` of the target. For each
    #: field that was left out, also the first record with `field` and a `message` that says why.
    messages: list[dict[str, Any]]
    #: what is copied of no record, because only the source has that language or company
    notes: list[str]
    #: the result of the other direction; only if it was asked for
    reverse: NotRequired["Result"]


class Tally:
    """Counts what becomes of records."""

    def __init__(self, source: str, target: str, model: str, notes: Sequence[str]) -> None:
        self._errors = 0
        self.result: Result = {
            "source": source,
            "target": target,
            "model": model,
            "created": 0,
            "updated": 0,
            "unchanged": 0,
            "errors": 0,
            "incomplete": 0,
            "left_out": {},
            "messages": [],
            "notes": list(notes),
        }

    def count(self, copy: "Copy") -> None:
        """Count a record, when all of it has been copied."""
        if copy.created:
            self.result["created"] += 1
        elif copy.updated:
            self.result["updated"] += 1
        elif not copy.refused and not copy.left_out:
            self.result["unchanged"] += 1
        if copy.refused:
            self.result["errors"] += 1
            if self._errors < MESSAGES:
                self._errors += 1
                self.result["messages"].append({"id": copy.id, "message": copy.refused})
        if copy.left_out:
            self.result["incomplete"] += 1
        for field, why in copy.left_out.items():
            if field not in self.result["left_out"]:
                self.result["left_out"][field] = 0
                self.result["messages"].append({"id": copy.id, "field": field, "message": why})
            self.result["left_out"][field] += 1


class Copy:
    """A record of the source on its way to the target."""

    def __init__(self, id_: int) -> None:
        self.id = id_
        #: id in the target; None if there is no counterpart (yet)
        self.counterpart: int | None = None
        #: whether the counterpart may be written; not if it was written later than the record
        self.wins = True
        self.created = self.updated = False
        #: message of the target that refused the record or a part of it; empty if it did not
        self.refused = ""
        #: the fields that were left out, with the reason for the administrator
        self.left_out: dict[str, str] = {}
        #: It links to records of the same model that have no counterpart yet.
        self.waits = False
