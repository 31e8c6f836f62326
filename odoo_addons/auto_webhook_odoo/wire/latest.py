"""Leaves out events of a page that a later event of the page replaces (docs/protocol.md)."""

import json

#: Keys of ``_metadata`` of an event that asks its reader to erase values, and of an event whose
#: payload is not all that its reader has to know.
_ERASES = frozenset({"erased", "erased_fields"})
_INCOMPLETE = _ERASES | {"reduced_to"}


def only_latest(events):
    """Return the events that a reader needs who keeps the present values of the records.

    A later event of a record replaces the earlier ones if its payload is complete, or if the record
    is gone. An event that asks the reader to erase values is never left out.

    :param list events: JSON texts, in the order of the feed
    """
    kept, replaced = [], set()
    for text in reversed(events):
        event = json.loads(text)
        record = event["model"], event["record_id"]
        metadata = (event["payload"] or {}).get("_metadata", {})
        if record in replaced and _ERASES.isdisjoint(metadata):
            continue
        kept.append(text)
        if event["event"] == "unlink" or _INCOMPLETE.isdisjoint(metadata):
            replaced.add(record)
    return kept[::-1]
