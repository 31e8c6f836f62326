"""What the unit tests share."""

import json
import os

import pytest


@pytest.fixture
def environment(monkeypatch):
    """Set a variable; no other setting is in the environment."""
    for name in os.environ:
        if name.startswith("BRIDGECORE_") or name == "REDIS_URL":
            monkeypatch.delenv(name)
    return lambda name, value: monkeypatch.setenv(
        name, value if isinstance(value, str) else json.dumps(value)
    )
