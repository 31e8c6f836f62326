"""JSON text in the form in which it is stored and sent."""

import json


def dumps(value):
    """Return a value as compact JSON text.

    :raises ValueError, TypeError: if JSON cannot express the value (NaN, bytes, …)
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
