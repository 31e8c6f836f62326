"""Starts programs as children that explain their death and do not outlive us."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from devstack import DevstackError
from devstack.cache import CACHE

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
#: So many runs keep their logs.
_KEPT_RUNS = 10


@cache
def run_folder() -> Path:
    """The folder of this run's logs and configuration files."""
    runs = CACHE / "run"
    runs.mkdir(parents=True, exist_ok=True)
    for old in sorted(runs.iterdir())[: -_KEPT_RUNS + 1]:
        if not _runs(int(old.name.rpartition("-")[2])):
            shutil.rmtree(old, ignore_errors=True)
    folder = runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    folder.mkdir()
    return folder


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers(url: str) -> Callable[[], bool]:
    """A condition: a GET of the URL is answered with 200."""

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own URL
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return check


def listens(port: int) -> Callable[[], bool]:
    """A condition: something accepts connections on the port."""

    def check() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check


class Child:
    """A running program in its own process group, its output in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        """Start it.

        Call this from the main thread: the kernel ends the child when the *thread* that started
        it ends, not only when the whole process does.
        """
        self.name = name
        self.log_path = _unused(run_folder() / f"{name}.log")
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=cwd,
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us; we stop the children in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait for the condition; timeout in seconds."""
        deadline = time.monotonic() + timeout
        while not ready():
            if self.process.poll() is not None:
                raise self.error(f"ended with exit code {self.process.returncode}")
            if time.monotonic() > deadline:
                raise self.error(f"was not ready within {timeout:.0f} s")
            time.sleep(0.05)

    def wait(self, timeout: float, while_waiting: Callable[[], None] = lambda: None) -> None:
        """Wait for its successful end; timeout in seconds."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise self.error(f"did not finish within {timeout:.0f} s")
            while_waiting()
            time.sleep(0.1)
        if self.process.returncode:
            raise self.error(f"ended with exit code {self.process.returncode}")

    def logged(self, text: str) -> Callable[[], bool]:
        """A condition: its output contains the text."""
        return lambda: text in self.log_path.read_text(errors="replace")

    def logged_like(self, pattern: str) -> Callable[[], bool]:
        """A condition: its output contains something that matches the regular expression."""
        return lambda: bool(re.search(pattern, self.log_path.read_text(errors="replace")))

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout: float = 15) -> None:
        """Ask it to end, then make sure that nothing of its process group is left."""
        if self.alive():
            # The leader only: a master that sees its workers die would complain or replace them.
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def error(self, what: str) -> DevstackError:
        return DevstackError(f"{self.name} {what}.\n{self.tail()}\n(whole log: {self.log_path})")


def _unused(path: Path) -> Path:
    number = 2
    unused = path
    while unused.exists():
        unused = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return unused


def _die_with_parent() -> None:
    """Have the kernel end the child when we are killed; runs in the child before its program."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
