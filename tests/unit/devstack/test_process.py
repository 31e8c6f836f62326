"""Children explain their death, and leave nothing behind."""

import os
import sys
import time
from pathlib import Path

import pytest

from devstack import DevstackError, process
from devstack.process import Child, free_port, listens

#: Starts a child of its own, prints its process id, and ignores polite requests to end.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, "is up", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run_folder", lambda: tmp_path)


def test_a_dead_child_shows_the_end_of_its_log() -> None:
    child = Child("brief", [sys.executable, "-c", "print('the reason'); exit(3)"])
    with pytest.raises(DevstackError, match=r"(?s)brief ended with exit code 3.*the reason"):
        child.wait_until(lambda: False, timeout=10)


def test_output_is_waited_for_by_pattern() -> None:
    child = Child("loud", [sys.executable, "-c", "print('feed-17@host ready.')"])
    try:
        child.process.wait(10)
        assert child.logged_like(r"feed-\d+@\S+ ready\.")()
        assert not child.logged_like(r"high-\d+@\S+ ready\.")()
    finally:
        child.stop()


def test_waiting_has_an_end() -> None:
    child = Child("silent", ["sleep", "60"])
    try:
        with pytest.raises(DevstackError, match="silent was not ready within"):
            child.wait_until(listens(free_port()), timeout=0.2)
    finally:
        child.stop()


def test_stopping_takes_the_whole_process_group() -> None:
    child = Child("stubborn", [sys.executable, "-c", STUBBORN])
    child.wait_until(child.logged("is up"), timeout=10)
    grandchild = int(child.tail().split()[0])

    child.stop(timeout=0.2)

    assert not child.alive()
    deadline = time.monotonic() + 5
    while is_running(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(grandchild)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
