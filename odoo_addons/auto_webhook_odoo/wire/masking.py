"""Removes secrets from the answer of an endpoint, in whatever form the answer repeats them."""

import functools
import html
import json
import re
import urllib.parse

_MASK = "***"
_LONGEST_ESCAPE = 12  # bytes of a character in JSON at most: two times \u and four digits


def longest_form(secrets):
    """Return how many bytes the longest form of any of the secrets has."""
    return max(map(len, secrets), default=0) * _LONGEST_ESCAPE


def masked(excerpt, length, secrets):
    """Return the first ``length`` bytes of an excerpt as text, without secrets.

    The bytes after these only show whether a secret lies across their end.

    :param secrets: the longest first
    """
    excerpt = excerpt.replace(b"\0", b"")  # PostgreSQL cannot store it
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
    """Return a pattern that matches each secret in every escaped form; earlier secrets win."""
    return re.compile("|".join(map(_escaped, secrets)))


def _escaped(secret):
    pattern = "".join(
        character if character.isascii() and character.isalnum() else _any_form(character)
        for character in secret
    )
    # Such a short secret is part of many words, and masks within them would give it away.
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
