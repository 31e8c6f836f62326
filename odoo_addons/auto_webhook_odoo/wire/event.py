"""The event object and the message that carries it (design: "Wire, Odoo → receiver")."""

import hashlib

from .jsontext import dumps


def event_json(row, id_key="event_id", source=None):
    """Return one event as JSON text.

    ``payload``, ``changed_fields`` and ``old_values`` are stored as JSON text and are spliced in
    as they are: they were serialised once, when the change was captured.

    :param dict row: as ``update.webhook._wire_rows`` returns it
    :param id_key: ``event_id`` in a push, ``id`` in the feed
    :param source: uuid of the database; stands in every pushed event, once per page in the feed
    """
    head = {id_key: row["id"]}
    if source is not None:
        head["source"] = source
    head |= {key: row[key] for key in ("model", "record_id", "event", "timestamp")}
    head |= {key: row[key] for key in ("priority", "category")}
    if row.get("replayed"):  # later events of the record may have come before
        head["replayed"] = True
    stored = {key: row[key] or "null" for key in ("payload", "changed_fields", "old_values")}
    tail = {key: row[key] for key in ("user_id", "user_name", "company_id")}
    spliced = ",".join(f'"{key}":{text}' for key, text in stored.items())
    return f"{dumps(head)[:-1]},{spliced},{dumps(tail)[1:]}"


def batch_json(source, events):
    """Return a batch as JSON text.

    :param events: JSON texts of events, without ``source``
    """
    return f'{{"source":{dumps(source)},"events":[{",".join(events)}]}}'


def batch_message_id(source, message_ids):
    """Return the ``webhook-id`` of a batch: the same if the same events are sent again."""
    digest = hashlib.sha256("\n".join(message_ids).encode()).hexdigest()
    return f"{source}_batch_{digest[:32]}"


def message_id(source, row):
    """Return the ``webhook-id`` of a pushed event: the same in every attempt.

    The timestamp is part of it because a database restored from a backup hands out the same
    ids again for other events. No full stops: they delimit the parts of what is signed.
    """
    digits = "".join(filter(str.isdigit, row["timestamp"]))
    return f"{source}_{row['id']}_{digits}"
