"""Keeps secrets out of what an endpoint answers, however it repeats them."""

import functools
import html
import json
import re
import urllib.parse

_MASK = "***"
_LONGEST_ESCAPE = 12  # bytes that a character may take in JSON: two times \u and four digits


def longest_form(secrets):
    """Return how many bytes the longest of the secrets may take."""
    return max(map(len, secrets), default=0) * _LONGEST_ESCAPE


def masked(excerpt, length, secrets):
    """Return the first ``length`` bytes of an excerpt as text, without secrets.

    What comes behind them only tells whether a secret lies across their end.

    :param secrets: the longest first
    """
    excerpt = excerpt.replace(b"\0", b"")  # PostgreSQL has no such text
    text = excerpt.decode(errors="replace")
    end = len(excerpt[:length].decode(errors="replace"))
    shown, position = [], 0
    for match in _pattern(secrets).finditer(text) if text and secrets else ():
        if match.start() >= end:
            break
        shown += text[position : match.start()], _MASK
        position = match.end()
    return "".join([*shown, text[position:end]])


@functools.lru_cache(maxsize=32)
def _pattern(secrets):
    """Return what matches any of the secrets, the first ones first, however they are escaped."""
    return re.compile("|".join(map(_escaped, secrets)))


def _escaped(secret):
    pattern = "".join(
        character if character.isascii() and character.isalnum() else _any_form(character)
        for character in secret
    )
    # a secret of one to three characters is part of many words, which would only give it away
    return rf"(?<!\w){pattern}(?!\w)" if len(secret) < 4 else pattern


def _any_form(character):
    """Return a pattern for a character that JSON, a URL or HTML may write in other ways."""
    code = ord(character)
    forms = {
        *(character, "\\" + character, json.dumps(character)[1:-1], f"\\u{code:04x}"),
        *(urllib.parse.quote(character, safe=""), urllib.parse.quote_plus(character)),
        *(html.escape(character), f"&#{code};", f"&#x{code:x};", f"%{code:02x}"),
    }
    longest_first = sorted(forms, key=len, reverse=True)
    return f"(?i:{'|'.join(map(re.escape, longest_first))})"
