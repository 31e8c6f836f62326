"""What an event says to a reader for whom its record is gone (docs/protocol.md).

Nothing tells what became of the record elsewhere, and who did it. Readers who know only the three
kinds of events take it for a deletion.
"""

#: The members of the event that are replaced.
GONE = {
    "event": "unlink",
    "payload": {"_metadata": {"gone": True}},
    **dict.fromkeys(("changed_fields", "old_values", "user_id", "user_name", "company_id")),
}


def gone(event):
    """Return what an event becomes for a reader who may not read its record (any longer).

    :param dict event: an event of the wire
    """
    return event | GONE
