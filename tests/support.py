"""Helpers for tests of all kinds."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
REPOSITORY = Path(__file__).parents[1]


def vectors(name: str) -> Any:
    """Return the wire's vectors, which the addon's tests read, too."""
    return json.loads((REPOSITORY / "tests" / "vectors" / f"{name}.json").read_text("utf-8"))


def eventually(condition: Callable[[], T], timeout: float = 30) -> T:
    """Wait until the condition is true and return it; timeout in seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s: {condition}")
        time.sleep(0.01)
    return value
