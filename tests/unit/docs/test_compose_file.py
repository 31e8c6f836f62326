"""docker-compose.yml follows the schema of Compose files and names only settings that exist."""

import re
import subprocess
import sys
from pathlib import Path

from bridgecore.config.settings import Settings

from tests.support import REPOSITORY

COMPOSE = REPOSITORY / "docker-compose.yml"


def test_it_follows_the_schema_of_compose_files():
    command = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [command, "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_sets_only_settings_that_exist():
    text = COMPOSE.read_text() + (REPOSITORY / "receiver" / "Dockerfile").read_text()
    known = {f"BRIDGECORE_{name.upper()}" for name in Settings.model_fields}
    set_there = set(re.findall(r"^\s+(BRIDGECORE_\w+)[:=]", text, re.MULTILINE))
    assert set_there
    assert set_there <= known
