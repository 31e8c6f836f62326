"""Commands of a receiver whose parts are in this process."""

import pytest
from bridgecore.cli import common, doctor, main, operations
from click.testing import CliRunner


@pytest.fixture
def run(parts, monkeypatch):
    """Run a command on the parts; its result."""
    for module in (common, doctor, operations):
        if hasattr(module, "runtime"):
            monkeypatch.setattr(module, "runtime", lambda: parts)
    monkeypatch.setattr(operations, "start", lambda: parts)

    def run(*words, code=0):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == code, result.output
        return result.output

    return run
