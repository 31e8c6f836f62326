"""Where a reader stands who reads all records before it follows the feed (docs/protocol.md)."""

import base64
import json
from typing import NamedTuple

from .cursor import MAX_CURSOR
from .jsontext import dumps


class Mark(NamedTuple):
    """The last record that a reader has got, and the cursor with which it will follow the feed.

    The reader keeps the mark, as an opaque text. So the server keeps nothing. A reader who makes up
    a mark of its own gets nothing that it could not ask for anyway.
    """

    cursor: int
    model: str = ""
    record_id: int = 0

    def encode(self):
        """Return the text for the wire. It needs no escaping in a URL."""
        return base64.urlsafe_b64encode(dumps(self).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text):
        """Return the mark that a text of the wire stands for.

        :raises ValueError: if it is none
        """
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded))
        if not isinstance(values, list) or [type(value) for value in values] != [int, str, int]:
            raise ValueError("not a mark")
        mark = cls(*values)
        if not 0 <= mark.cursor <= MAX_CURSOR or not 0 <= mark.record_id < 2**31:
            raise ValueError("not a mark")
        return mark
