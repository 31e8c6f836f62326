"""JSON text, as it is stored and sent."""

import json


def dumps(value):
    """Serialise to compact JSON text.

    :raises ValueError, TypeError: for what JSON cannot express (NaN, bytes, …)
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
