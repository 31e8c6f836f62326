"""Logs as text and as JSON."""

import json
import logging
import sys

from bridgecore.watching.logs import TEXT, JsonLines


def record(level: int, text: str, *arguments: object, error: bool = False) -> logging.LogRecord:
    information = None
    if error:
        try:
            raise LookupError("lost")
        except LookupError:
            information = sys.exc_info()
    return logging.LogRecord("bridgecore.x", level, __file__, 1, text, arguments, information)


def test_both_formats_say_the_same():
    line = record(logging.WARNING, "failed event=%s attempt=%d", "a/1@2026", 2)
    assert TEXT.format(line).endswith("bridgecore.x failed event=a/1@2026 attempt=2")
    parsed = json.loads(JsonLines().format(line))
    assert parsed["message"] == "failed event=a/1@2026 attempt=2"
    assert (parsed["level"], parsed["logger"]) == ("WARNING", "bridgecore.x")
    assert parsed["time"].endswith("+00:00")


def test_one_line_also_with_line_breaks_and_tracebacks():
    formatted = JsonLines().format(record(logging.ERROR, "a\nb é", error=True))
    assert "\n" not in formatted
    parsed = json.loads(formatted)
    assert parsed["message"] == "a\nb é"
    assert parsed["exception"].endswith("LookupError: lost")
