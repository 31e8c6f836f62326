"""Translates links: from ids of the source's records to the ids of their counterparts."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bridgecore.copying.matching import Matcher
from bridgecore.copying.values import Field

Values = Mapping[str, Any]


class Links:
    """Translates the links of records.

    The rule, for lists of links and for single ones: a link of the source is copied if its record
    has a counterpart. A link of the target whose record has no counterpart stays, because the
    source can say nothing about it. All other links of the target are replaced.

    So a copy in both directions takes no link from the side that alone has the linked record.

    Parameters:
        there: finds the counterparts of the source's records.
        back: finds the counterparts of the target's records.
    """

    def __init__(self, there: Matcher, back: Matcher) -> None:
        self._there = there
        self._back = back
        self._counterparts: dict[str, dict[int, int]] = {}
        self._known_to_source: dict[str, set[int]] = {}

    def look_up(
        self, fields: Sequence[Field], here: Collection[Values], there: Collection[Values]
    ) -> None:
        """Look up the counterparts of everything that these records link to, all at once.

        Parameters:
            here: records of the source.
            there: records of the target.
        """
        self._counterparts, self._known_to_source = {}, {}
        for relation in {field.relation for field in fields if field.links}:
            names = [field for field in fields if field.relation == relation]
            linked, linked_there = (
                {
                    id_
                    for record in records
                    for field in names
                    for id_ in field.linked(record[field.name])
                }
                for records in (here, there)
            )
            found = self._there.match(relation, sorted(linked))
            known = set(found.values())
            known |= self._back.match(relation, sorted(linked_there - known)).keys()
            self._counterparts[relation] = found
            self._known_to_source[relation] = known

    def translated(self, field: Field, value: Any, present: Any) -> tuple[Any, list[int]]:
        """Return the value for the target, and the linked records that have no counterpart.

        Parameters:
            present: the present value of the target's record; None if it has none yet.
        """
        counterparts = self._counterparts[field.relation]
        linked = field.linked(value)
        missing = [id_ for id_ in linked if id_ not in counterparts]
        found = [counterparts[id_] for id_ in linked if id_ in counterparts]
        known = self._known_to_source[field.relation]
        kept = [id_ for id_ in field.linked(present or []) if id_ not in known]
        if field.type == "many2many":
            return sorted({*found, *kept}), missing
        if missing:  # the target keeps its link, whatever it is
            return present or False, missing
        return next(iter([*found, *kept]), False), missing
