"""docker-compose.yml follows the schema, names settings that exist, and is closed to strangers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bridgecore.config.settings import Settings

from tests.support import REPOSITORY

COMPOSE = REPOSITORY / "docker-compose.yml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]


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


def test_all_services_are_known():
    assert set(SERVICES) == {"api", "worker", "beat", "redis", "odoo", "postgres"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert "privileged" not in service


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_images_that_begin_as_root_begin_as_their_user(name):
    assert SERVICES[name]["user"] == name


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_to_this_host_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
