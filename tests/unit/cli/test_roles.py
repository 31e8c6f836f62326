"""The commands that start a role."""

import pytest
from bridgecore.cli import main
from bridgecore.runtime import runtime
from click.testing import CliRunner


@pytest.mark.parametrize("role", ["serve", "api", "worker", "beat"])
def test_the_command_line_shows_errors_without_traceback(environment, role):
    environment("BRIDGECORE_PORT", "nonsense")
    runtime.cache_clear()
    result = CliRunner().invoke(main, [role])
    assert result.exit_code == 1
    assert result.output.startswith("Error: BRIDGECORE_PORT: ")
    assert "Traceback" not in result.output
