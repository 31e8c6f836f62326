"""Events that say no more than that a record is gone for their reader (docs/protocol.md)."""


def gone(event):
    """Return what an event becomes for a reader who may not read its record (any longer).

    :param dict event: an event of the wire
    """
    return event | {
        "event": "unlink",
        "payload": {"_metadata": {"gone": True}},
        **dict.fromkeys(("changed_fields", "old_values", "user_id", "user_name", "company_id")),
    }
