"""Runs the receiver's tests on the machine's other Pythons, and with the lowest versions of its
libraries."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack import DevstackError, console
from devstack.bootstrap import run, uv_environment
from devstack.cache import CACHE, REPO, digest, is_current, locked
from devstack.environments import find_uv
from devstack.process import Child
from devstack.pythons import SUPPORTED, UPCOMING, find_python, written

#: The schema of Compose files is the same everywhere, and its checker needs a newer click than the
#: receiver does.
UNIT = ("tests/unit", "--ignore=tests/unit/docs/test_compose_file.py")

#: A short run of the whole receiver, in which each of its libraries does what it is used for.
WHOLE = (
    "tests/integration/whole/test_processes.py",  # Celery, redis-py, hiredis, requests
    "tests/integration/running/test_supervisor.py::test_as_json_every_line_is_an_object",
    "tests/integration/queue",  # amqp's and kombu's errors
    "tests/integration/storage",  # redis-py
    "tests/integration/api/test_operations.py",  # FastAPI and pydantic
    "tests/integration/api/test_receiving.py",  # msgspec
    "tests/integration/api/test_streaming.py",  # uvicorn, anyio
    "tests/integration/cli/test_operations.py",  # click
    "tests/integration/watching/test_metrics.py",  # prometheus-client
)

#: seconds after which a run is stopped; a busy machine needs a third of them
_TIMEOUT = 900


@dataclass(frozen=True)
class VersionSet:
    """A set of versions, with an environment of its own, and the tests that run there."""

    title: str
    #: the name of the environment's folder
    name: str
    python: Path
    tests: tuple[str, ...] = UNIT
    #: install the lowest versions of the receiver's own dependencies that pyproject.toml allows
    lowest: bool = False

    @property
    def folder(self) -> Path:
        return CACHE / "venvs" / self.name

    def interpreter(self) -> Path:
        """Return the interpreter of the environment. The first call creates the environment."""
        python, stamp = self.folder / "bin" / "python", self.folder / "devstack-stamp"
        project = (REPO / "pyproject.toml").read_bytes()
        key = digest(project, str(REPO), str(self.python), str(self.lowest))
        if is_current(stamp, key):
            return python
        # One at a time: each installs from the same source tree.
        with locked("versions", lambda: console.say("Another run installs versions; waiting.")):
            if not is_current(stamp, key):
                with console.step(f"Installing for {self.title}"):
                    self._install(python)
                stamp.write_text(key)
        return python

    def _install(self, python: Path) -> None:
        uv = find_uv()
        run([uv, "venv", "--clear", "--python", self.python, self.folder])
        constraints: list[str | Path] = []
        if self.lowest:
            # Not for the tools of the tests, which may need newer versions than the receiver.
            found = self.folder / "lowest.txt"
            run([uv, "pip", "compile", "--resolution", "lowest-direct", "--extra", "embedded",
                 "--python", python, "--output-file", found, REPO / "pyproject.toml"])  # fmt: skip
            constraints = ["--constraints", found]
        run([uv, "pip", "install", "--python", python, *constraints, "-e", f"{REPO}[test]"])

    def test(self) -> bool:
        """Run the tests, and return whether they passed. Only a failure shows their output."""
        python = self.interpreter()
        # The tests of the development environment may run meanwhile. pytest's cache is theirs, and
        # so is a Redis that REDIS_URL names.
        options = ("-q", "-p", "no:cacheprovider")
        environment = uv_environment()
        environment.pop("REDIS_URL", None)
        try:
            with console.step(f"Testing {self.title}") as step:
                child = Child(
                    self.name,
                    [python, "-m", "pytest", *options, *self.tests],
                    environment=environment,
                    cwd=REPO,
                )
                try:
                    child.wait(_TIMEOUT)
                finally:
                    child.stop()
                step.note = child.tail(1)
        except DevstackError as error:
            console.say(str(error))
            return False
        return True


def install_versions() -> None:
    """Create the environments that `run_version_tests` needs."""
    for chosen in _sets():
        chosen.interpreter()


def run_version_tests() -> int:
    """Run the tests of every set, and return the exit code.

    A Python that the machine lacks is named. It is no failure.
    """
    results = [chosen.test() for chosen in _sets()]
    return 0 if all(results) else 1


def _sets() -> Iterator[VersionSet]:
    # Older libraries may have no wheels for newer Pythons.
    oldest = next(filter(None, map(find_python, SUPPORTED)), Path(sys.executable))
    yield VersionSet("the lowest versions allowed", "lowest", oldest, UNIT + WHOLE, lowest=True)
    for version in SUPPORTED + UPCOMING:
        if version == sys.version_info[:2]:
            continue  # the development environment has it: `make test-receiver` runs all tests
        title = f"Python {written(version)}"
        if python := find_python(version):
            yield VersionSet(title, f"python{written(version)}", python)
        else:
            console.say(f"- {title} is not on this machine")
