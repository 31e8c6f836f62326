"""`bridgecore serve`: everything in one command, and everything ends with it."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from devstack.process import Child, answers, free_port
from tests.support import eventually


class Serving(Child):
    def __init__(self, odoo) -> None:
        self.odoo = odoo.feed("served")
        self.port = free_port()
        source = {
            "id": self.odoo.source,
            "url": self.odoo.url,
            "feed_key": self.odoo.key,
            "push_tokens": ["token"],
        }
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("BRIDGECORE_") and name != "REDIS_URL"
        }
        super().__init__(
            "serve",
            [Path(sys.executable).with_name("bridgecore"), "serve"],
            environment={
                **inherited,
                "BRIDGECORE_SOURCES": json.dumps([source]),
                "BRIDGECORE_PORT": str(self.port),
            },
        )

    def pids(self) -> dict[str, int]:
        """The process of each role."""
        lines = self.log_path.read_text().splitlines()
        started = [line.split(" started ")[1].split() for line in lines if " started " in line]
        return {role: int(pid.removeprefix("pid=")) for role, pid in started}


def is_running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def serving(odoo) -> Iterator[Serving]:
    child = Serving(odoo)
    child.wait_until(answers(f"http://127.0.0.1:{child.port}/health/ready"), timeout=60)
    yield child
    child.stop()


def test_one_command_receives_and_ends_cleanly(serving):
    response = requests.post(
        f"http://127.0.0.1:{serving.port}/api/v1/webhooks/receive",
        json={
            "event_id": 1,
            "model": "res.partner",
            "record_id": 1,
            "event": "write",
            "timestamp": "2026-01-31T12:00:00Z",
        },
        headers={"X-API-Key": "token"},
        timeout=10,
    )
    assert response.json()["accepted"] == 1
    eventually(lambda: serving.odoo.processed == [1], timeout=30)

    roles = serving.pids()
    assert set(roles) == {"redis", "api", "worker", "beat"}
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(30) == 0
    assert not any(map(is_running, roles.values()))


def test_if_one_role_dies_all_end_and_the_failure_is_seen(serving):
    roles = serving.pids()
    os.kill(roles["beat"], signal.SIGKILL)
    assert serving.process.wait(30) == 1
    assert not any(map(is_running, roles.values()))
    assert "beat ended" in serving.tail()
