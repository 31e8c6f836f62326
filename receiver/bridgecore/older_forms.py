"""Turns what older senders push into the present form of an event (docs/protocol.md).

An older sender states the facts about an event under `_webhook_metadata`, at the top level, or in
both places. It puts the values of the record under `data`, at the top level, or in both places. All
values that it sends arrive in `payload`; if two places contradict each other, the event is refused.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

METADATA = "_webhook_metadata"

#: the facts without which there is no event
_REQUIRED = ("event_id", "model", "record_id", "event", "timestamp")
#: The facts that may stand between the values of the record. All other names are values there.
_BETWEEN_VALUES = (*_REQUIRED, "priority", "category", "changed_fields")
#: The list does not grow with the present form: an older sender means a value by any other name.
_FACTS = (
    *_BETWEEN_VALUES,
    *("source", "old_values", "user_id", "user_name", "company_id", "replayed"),
)
#: the name of the fact `event` in the metadata of some senders
_EVENT_TYPE = "event_type"
#: objects that hold values of the record and nothing else
_HOLDERS = ("payload", "data")
_LONGEST_NAME = 64

Object = dict[str, Any]


def is_present_form(data: Object) -> bool:
    """Return whether an event has a `payload` and nothing of the older forms."""
    return "payload" in data and data.get("data") is None and data.get(METADATA) is None


def present_form(data: Object) -> Object:
    """Return an event of an older sender in the present form. It need not be a valid event.

    Raises:
        ValueError: two places contradict each other, or a place for values is no object. The
            message names the field, without its value.
    """
    top = dict(data)
    is_marked = top.get(METADATA) is not None
    metadata = _object(METADATA, top.pop(METADATA, None))
    values = _Values()
    holders = 0
    for place, outer in (("", top), (METADATA, metadata)):
        for name in _HOLDERS:
            if (holder := outer.pop(name, None)) is not None:
                values.add(_object(_path(place, name), holder), _path(place, name))
                holders += 1
    facts = _take_facts(metadata, _FACTS, METADATA)
    if holders or not is_marked:
        names: Iterable[str] = _FACTS
    elif _states_all(top):
        names = _BETWEEN_VALUES
    else:
        # The metadata states the facts. Their names at the top level are fields of the record, such
        # as `event_id` of a registration for an event.
        names = [name for name in (*_REQUIRED, "changed_fields") if name not in facts]
    for name, value in _take_facts(top, names).items():
        facts[name] = _agreed(name, facts.get(name, value), value)
    values.add(top)
    if metadata:
        values.add({METADATA: metadata})
    return {**facts, "payload": values.found}


class _Values:
    """The values of a record, from all places where a sender put some."""

    def __init__(self) -> None:
        self.found: Object = {}

    def add(self, more: Object, place: str = "") -> None:
        """Add the values of a place.

        Raises:
            ValueError: another place holds another value of the same field.
        """
        for name, value in more.items():
            if name in self.found and _text(self.found[name]) != _text(value):
                raise ValueError(f"{_path(place, name)}: contradicts another value of this field")
            self.found[name] = value


def _take_facts(outer: Object, names: Iterable[str], place: str = "") -> Object:
    """Remove the facts with these names from an object, and return those that are set.

    Raises:
        ValueError: `event` and `event_type` contradict each other.
    """
    found = {name: outer.pop(name, None) for name in names}
    if "event" in found:
        event_type = outer.pop(_EVENT_TYPE, None)
        if _is_set(event_type):
            if _is_set(found["event"]) and found["event"] != event_type:
                event, other = _path(place, "event"), _path(place, _EVENT_TYPE)
                raise ValueError(f"{other}: contradicts {event}")
            found["event"] = event_type
    return {name: value for name, value in found.items() if _is_set(value)}


def _is_set(fact: Any) -> bool:
    """Return whether a fact is known. Odoo writes false for an empty field."""
    return fact is not None and fact is not False


def _states_all(top: Object) -> bool:
    """Return whether all facts that an event needs stand at the top level."""
    has_event = "event" in top or _EVENT_TYPE in top
    return has_event and all(name in top for name in _REQUIRED if name != "event")


def _agreed(name: str, stated: Any, on_top: Any) -> Any:
    """Return what metadata and top level say about a fact.

    Raises:
        ValueError: they contradict each other.
    """
    if _text(stated) == _text(on_top):
        return stated
    if name == "timestamp" and isinstance(stated, str) and isinstance(on_top, str):
        texts = (text.replace(" ", "T").removesuffix("Z") for text in (stated, on_top))
        cut, full = sorted(texts, key=len)
        if full == cut or full.startswith(f"{cut}."):  # Odoo cuts some times to seconds
            return full
    raise ValueError(f"{METADATA}.{name}: contradicts {name}")


def _object(name: str, value: Any) -> Object:
    """Return a copy of an object; an empty one in place of null.

    Raises:
        ValueError: the value is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be an object")
    return dict(value)


def _text(value: Any) -> bytes:
    """Return a value as JSON, in which true is no 1, and the order of an object does not count.

    Raises:
        ValueError: the value is nested so deep that no library can write it.
    """
    try:
        return msgspec.json.encode(value, order="sorted")
    except RecursionError:
        raise ValueError("values are nested too deep") from None


def _path(place: str, name: str) -> str:
    """Return where a field stands. A name that is odd or long is left out of the message."""
    shown = name if name.isidentifier() and len(name) <= _LONGEST_NAME else "…"
    return f"{place}.{shown}" if place else shown
