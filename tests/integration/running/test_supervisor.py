"""`bridgecore serve` starts all roles, and all end with it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from bridgecore.errors import SettingsError
from bridgecore.running.children import GRACE, stop
from bridgecore.running.embedded_redis import embedded_redis
from bridgecore.running.supervisor import MAX_STARTS

from devstack.process import Child, answers, free_port
from tests.integration.fake_odoo import FakeOdoo
from tests.support import REPOSITORY, eventually

BRIDGECORE = Path(sys.executable).with_name("bridgecore")
WORKERS = {f"worker --only {worker}" for worker in ("feed", "high", "default")}
ROLES = {"redis", "api", "beat", *WORKERS}
README = REPOSITORY / "README.md"


class Serving(Child):
    """The command, started in a folder with the README's example of a handler."""

    def __init__(self, folder: Path, odoo: FakeOdoo, settings: dict[str, str]) -> None:
        self.odoo = odoo.feed("served")
        self.port = free_port()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("BRIDGECORE_") and name not in ("REDIS_URL", "PYTHONUNBUFFERED")
        }
        (example,) = re.findall(r"```python\n# my_handlers.py\n(.*?)```", README.read_text(), re.S)
        (folder / "my_handlers.py").write_text(example)
        self.folder = folder
        self.environment = {
            **inherited,
            "BRIDGECORE_SOURCES": json.dumps([self.odoo.setting()]),
            "BRIDGECORE_PORT": str(self.port),
            "BRIDGECORE_HANDLERS": "my_handlers",
            **settings,
        }
        super().__init__("serve", [BRIDGECORE, "serve"], environment=self.environment, cwd=folder)

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Another command beside it, in the same folder."""
        return subprocess.run(
            [BRIDGECORE, *words],
            env={**self.environment, **settings},
            cwd=self.folder,
            timeout=60,
            capture_output=True,
            text=True,
            check=False,
        )

    def is_ready(self) -> bool:
        return answers(f"http://127.0.0.1:{self.port}/health/ready")()

    def pids(self) -> dict[str, int]:
        """The process of each role."""
        log = self.log_path.read_text()
        return {role: int(pid) for role, pid in re.findall(r" started (.+) pid=(\d+)$", log, re.M)}


def is_running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def serving(request, odoo, tmp_path) -> Iterator[Serving]:
    child = Serving(tmp_path, odoo, getattr(request, "param", {}))
    try:
        child.wait_until(child.is_ready, timeout=60)
        yield child
    finally:
        child.stop()


def test_one_command_receives_and_ends_cleanly(serving):
    def accepted():
        response = requests.post(
            f"http://127.0.0.1:{serving.port}/api/v1/webhooks/receive",
            json={
                "event_id": 1,
                "model": "sale.order",
                "record_id": 336,
                "event": "write",
                "timestamp": "2026-01-31T12:00:00Z",
                "payload": {"amount_total": 99.5},
                "changed_fields": ["amount_total"],
            },
            headers={"X-API-Key": "token"},
            timeout=10,
        )
        return response.json().get("accepted")

    assert eventually(accepted) == 1  # when the feed was read
    eventually(lambda: serving.odoo.processed == [1], timeout=30)
    assert "336 ['amount_total'] 99.5" in serving.log_path.read_text().splitlines()

    roles = serving.pids()
    assert set(roles) == ROLES
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(30) == 0
    assert not any(map(is_running, roles.values()))


def test_a_role_that_dies_is_started_again_and_the_others_go_on(serving):
    roles = serving.pids()
    for role in ("beat", "worker --only default", "api"):
        os.kill(roles[role], signal.SIGKILL)
        eventually(lambda role=role: serving.pids()[role] != roles[role])
    assert serving.log_path.read_text().count("ended status=-9, starting it again") == 3
    eventually(serving.is_ready)
    others = [pid for role, pid in roles.items() if serving.pids()[role] == pid]
    assert len(others) == len(ROLES) - 3
    assert all(map(is_running, others))


def test_if_a_role_keeps_dying_all_end_and_the_failure_is_seen(serving):
    dead = set()
    for _start in range(MAX_STARTS):
        beat = eventually(lambda: {serving.pids()["beat"]} - dead).pop()
        os.kill(beat, signal.SIGKILL)
        dead.add(beat)
    assert serving.process.wait(GRACE + 10) == 1
    assert not any(map(is_running, serving.pids().values()))
    assert "beat ended status=-9, stopping all processes" in serving.log_path.read_text()


def test_if_the_embedded_redis_dies_all_end(serving):
    os.kill(serving.pids()["redis"], signal.SIGKILL)
    assert serving.process.wait(GRACE + 10) == 1
    assert not any(map(is_running, serving.pids().values()))


def test_nothing_survives_a_killed_supervisor(serving):
    roles = serving.pids()
    serving.process.kill()
    eventually(lambda: not any(map(is_running, roles.values())))


@pytest.mark.parametrize("serving", [{"BRIDGECORE_DATA_DIR": "data"}], indirect=True)
def test_other_commands_find_its_redis_in_the_data_folder(serving):
    folder = serving.folder / "data"
    assert f"BRIDGECORE_DATA_DIR={folder}" in serving.log_path.read_text()
    assert (folder / "redis.sock").stat().st_mode & 0o777 == 0o700
    assert_closed(folder)

    assert serving.run("pull").stdout == "0 new events.\n"
    by_option = serving.run("pull", "--data-dir", "data", BRIDGECORE_DATA_DIR="")
    assert by_option.stdout == "0 new events.\n"
    second = serving.run("serve", "--data-dir", "data")
    assert (second.returncode, "using" in second.stderr) == (1, True)
    assert serving.alive()


def assert_closed(folder: Path) -> None:
    """Only the owner may read what is there."""
    files = [folder, *folder.rglob("*")]
    assert {path.name for path in files} > {"redis.log", "redis.sock", "appendonlydir"}
    assert len(files) > 5
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_a_folder_that_others_may_read_is_closed(tmp_path):
    folder = tmp_path / "data"
    for _ in range(2):  # the second time with files
        child = embedded_redis(folder)
        stop(child)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
    (folder / "notes").write_text("not the server's")
    (folder / "notes").chmod(0o644)
    child = embedded_redis(folder)
    try:
        assert (folder / "notes").stat().st_mode & 0o777 == 0o644
        (folder / "notes").unlink()
        assert_closed(folder)
    finally:
        stop(child)


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(SettingsError, match=r"belongs to another user.*chown"):
        embedded_redis(tmp_path)


def test_a_folder_that_many_users_share_is_refused(tmp_path):
    tmp_path.chmod(0o1777)
    with pytest.raises(SettingsError, match="name a folder in it"):
        embedded_redis(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize("serving", [{"BRIDGECORE_LOG_FORMAT": "json"}], indirect=True)
def test_as_json_every_line_is_an_object(serving):
    for worker in ("feed", "high", "default"):
        serving.wait_until(serving.logged_like(rf"{worker}-\d+@\S+ ready\."), timeout=60)
    second = serving.run("api")
    assert (second.returncode, "set BRIDGECORE_PORT" in second.stderr) == (3, True)
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(60) == 0
    lines = (serving.log_path.read_text() + second.stderr).splitlines()
    messages = [json.loads(line)["message"] for line in lines]
    assert sum("Warm shutdown" in message for message in messages) == 3


@pytest.mark.parametrize("serving", [{"BRIDGECORE_SOURCES": ""}], indirect=True)
def test_every_role_says_what_to_set_if_no_odoo_is_known(serving):
    said = "No Odoo database is known"
    roles = eventually(lambda: serving.pids().keys() == ROLES and serving.pids())
    for role in ("api", "beat", *WORKERS):
        eventually(
            lambda pid=roles[role]: re.search(
                rf"WARNING {pid} \S+ {said}", serving.log_path.read_text()
            )
        )


@pytest.mark.parametrize("serving", [{"BRIDGECORE_HANDLERS": ""}], indirect=True)
def test_every_worker_that_handles_events_says_once_that_there_is_no_handler(serving):
    roles = serving.pids()
    eventually(lambda: serving.log_path.read_text().count(" ready.") == len(WORKERS))
    said = re.findall(r"WARNING (\d+) \S+ No handler is registered", serving.log_path.read_text())
    assert sorted(map(int, said)) == sorted(
        roles[f"worker --only {w}"] for w in ("high", "default")
    )
