"""Reads and checks what a client sent, before a route does anything with it."""

import datetime
import json

from odoo.http import request

from ..wire.event import EventName
from ..wire.jsontext import dumps
from ..wire.mark import Mark
from .errors import FeedError

MAX_BODY = 10 * 1024 * 1024  # bytes; room for 100,000 ids with an error text each
MAX_PAGE = 1000
MAX_DAYS = 3650
_LONGEST_MARK = 1000  # characters


def read_parameters(known):
    """Return the parameters of a request: the query of a GET, the JSON object of a POST.

    :param known: the names of the call's parameters. Others are refused: a misspelt filter that is
        ignored would return the wrong events.
    :raises FeedError: 400, 413 or 415
    """
    http = request.httprequest
    parameters = _read_query(http) if http.method == "GET" else _read_json(http)
    if unknown := sorted(set(parameters) - set(known)):
        raise FeedError(f"Unknown parameter {unknown[0]!r}. Known are: {', '.join(sorted(known))}.")
    return parameters


def _read_query(http):
    # A repeated parameter is a list. Keeping only one of its values would return too few events.
    given = http.args.to_dict(flat=False)
    return {name: values if len(values) > 1 else values[0] for name, values in given.items()}


def _read_json(http):
    if http.mimetype != "application/json":
        raise FeedError("Send JSON with 'Content-Type: application/json'.", 415, "not_json")
    # This is not a limit of the route, because Odoo would answer with an HTML page.
    if (http.content_length or 0) > MAX_BODY or len(body := http.get_data(cache=False)) > MAX_BODY:
        raise FeedError(f"The body is larger than {MAX_BODY} bytes.", 413, "too_large")
    try:
        parameters = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:  # ValueError: also for bytes that are not UTF-8
        raise FeedError("The body is not valid JSON.", code="invalid_json") from error
    if not isinstance(parameters, dict):
        raise FeedError("The body must be a JSON object.")
    return parameters


def integer(parameters, name, default, minimum, maximum):
    """Return an integer parameter. GET sends it as text.

    :raises FeedError: 400
    """
    value = parameters.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise FeedError(f"'{name}' must be an integer from {minimum} to {maximum}.")
    return value


def boolean(parameters, name, default):
    """Return a true/false parameter. GET sends it as text.

    :raises FeedError: 400
    """
    value = parameters.get(name, default)
    if isinstance(value, str):
        value = {"true": True, "false": False, "1": True, "0": False}.get(value)
    if not isinstance(value, bool):
        raise FeedError(f"'{name}' must be true or false.")
    return value


def strings(parameters, name, allowed=None):
    """Return a list of texts. GET sends it separated by commas, or as a repeated parameter.

    :param allowed: the values that are accepted; None for any
    :raises FeedError: 400
    """
    value = parameters.get(name)
    if value is None:
        return []
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FeedError(f"'{name}' must be a list of texts.")
    for item in value:
        if allowed is not None and item not in allowed:
            raise FeedError(f"Unknown value in '{name}'. Known are: {', '.join(sorted(allowed))}.")
        _storable(name, item)
    return value


def text(parameters, name, longest, required=False):
    """Return a text parameter, or None if it is missing or empty.

    :raises FeedError: 400
    """
    value = parameters.get(name)
    if value in (None, "") and not required:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise FeedError(f"'{name}' must be a text of 1 to {longest} characters.")
    return _storable(name, value)


def mark(parameters, name):
    """Return a ``Mark``, or None if it is missing or empty.

    :raises FeedError: 400
    """
    value = text(parameters, name, _LONGEST_MARK)
    if value is None:
        return None
    try:
        return Mark.decode(value)
    except (ValueError, RecursionError) as error:
        raise FeedError(f"'{name}' must be what an earlier page said.") from error


def text_or_object(parameters, name, longest):
    """Return a text parameter, or an object as JSON text, or None if it is missing or empty.

    :raises FeedError: 400
    """
    value = parameters.get(name)
    if isinstance(value, dict):
        try:
            value = dumps(value)
        except (ValueError, RecursionError) as error:  # NaN, which json.loads accepts
            raise FeedError(f"'{name}' holds a value that JSON cannot express.") from error
    return text({name: value}, name, longest)


def events(parameters, name, timestamps):
    """Return a list of ``EventName`` from a list of ids and, if it is given, one of their times.

    Two lists, because clients of earlier servers send the ids alone.

    :param timestamps: name of the parameter with the times
    :raises FeedError: 400
    """
    ids = parameters.get(name, [])
    if not isinstance(ids, list):
        raise FeedError(f"'{name}' must be a list of event ids.")
    times = parameters.get(timestamps)
    if times is None:
        times = [None] * len(ids)
    if not isinstance(times, list) or len(times) != len(ids):
        raise FeedError(f"'{timestamps}' must be a list that is as long as '{name}'.")
    return [_event_name(*pair) for pair in zip(ids, times, strict=True)]


def failures(parameters, name):
    """Return ``{EventName: error}`` from a list of ``{"id", "timestamp", "error"}``.

    :raises FeedError: 400
    """
    value = parameters.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise FeedError(f"'{name}' must be a list of objects with 'id' and 'error'.")
    found = {}
    for item in value:
        error = item.get("error")
        if not isinstance(error, str):
            raise FeedError(f"'error' in '{name}' must be a text.")
        # The text is mended, not refused: an odd text must not keep a whole batch unconfirmed.
        name = _event_name(item.get("id"), item.get("timestamp"))
        found[name] = _encodable(error).replace("\x00", "")
    return found


def _event_name(event_id, timestamp):
    if timestamp is not None:
        try:
            timestamp = datetime.datetime.fromisoformat(timestamp)
            if timestamp.tzinfo:
                timestamp = timestamp.astimezone(datetime.UTC).replace(tzinfo=None)
        except (TypeError, ValueError, OverflowError) as error:
            raise FeedError("The timestamp of an event must be a time in ISO 8601.") from error
    return EventName(_event_id(event_id), timestamp)


def _storable(name, value):
    """Return the text.

    :raises FeedError: if PostgreSQL cannot store it
    """
    if "\x00" in value or value != _encodable(value):  # PostgreSQL stores neither
        raise FeedError(f"'{name}' holds a character that cannot be stored.")
    return value


def _encodable(value):
    """Replace lone surrogates, which JSON can express and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode()


def _event_id(value):
    # An id that is too large for the database is unknown. To refuse it would keep its whole batch
    # unconfirmed.
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise FeedError("Event ids are positive integers.")
    return value
