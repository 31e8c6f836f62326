"""How the values of a record look on the wire (design: "Values")."""

import datetime
import json


def comparable(field_type, value):
    """Bring a column's value into the form that is compared, stored and sent.

    What Odoo's ORM cannot tell apart (NULL and 0, NULL and False) becomes equal here, so that
    it never counts as a change.
    """
    if field_type == "boolean":
        return bool(value)
    if field_type in ("integer", "float", "monetary"):
        return value or 0
    if isinstance(value, datetime.datetime):  # stored in UTC without a zone
        return value.isoformat() + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def dumps(value):
    """Serialise to compact JSON text.

    :raises ValueError, TypeError: for what JSON cannot express (NaN, bytes, …)
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dump_payload(payload):
    """Serialise ``{field: value}``; a value that JSON cannot express becomes null.

    :return: ``(text, omitted)``; ``omitted`` names the fields that were replaced. They are also
        named in the text, under ``_metadata``.
    """
    try:
        return dumps(payload), []
    except (TypeError, ValueError):
        return _dump_what_can_be(payload)


def _dump_what_can_be(payload):
    clean, omitted = {}, []
    for name, value in payload.items():
        try:
            dumps(value)
            clean[name] = value
        except (TypeError, ValueError):
            clean[name] = None
            omitted.append(name)
    clean["_metadata"] = {"not_serialisable": omitted}
    return dumps(clean), omitted
