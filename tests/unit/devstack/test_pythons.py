"""Only interpreters that run are found."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack import DevstackError, bootstrap
from devstack.pythons import find_python, written

HERE = (sys.version_info[0], sys.version_info[1])
PROGRAM = f"python{written(HERE)}"


def program(folder: Path, script: str, name: str = PROGRAM) -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


def interpreter(folder: Path) -> Path:
    return program(folder, f'exec "{sys.executable}" "$@"')


@pytest.fixture
def shims(tmp_path) -> Path:
    """Scripts of pyenv for a version that is not selected."""
    return program(tmp_path / "shims", f"echo 'pyenv: {PROGRAM}: command not found' >&2; exit 127")


@pytest.fixture
def environment(tmp_path, shims) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": str(shims)}


def test_a_program_that_fails_is_passed_over(environment, tmp_path) -> None:
    assert find_python(HERE, environment) is None

    environment["PATH"] += os.pathsep + str(interpreter(tmp_path / "bin"))

    assert find_python(HERE, environment) == Path(sys.executable)


@pytest.mark.parametrize("root", [None, "elsewhere"])
def test_a_version_of_pyenv_is_found_though_it_is_not_selected(environment, tmp_path, root) -> None:
    if root:
        environment["PYENV_ROOT"] = str(tmp_path / root)
    versions = tmp_path / (root or ".pyenv") / "versions"
    interpreter(versions / f"{written(HERE)}.1" / "bin")
    assert find_python(HERE, environment) == Path(sys.executable)


def test_the_newest_version_of_pyenv_is_asked_first(environment, tmp_path) -> None:
    for patch in (9, 10):
        name = f"{written(HERE)}.{patch}"
        program(tmp_path / ".pyenv" / "versions" / name / "bin", f"echo {written(HERE)} /{name}")
    assert find_python(HERE, environment) == Path(f"/{written(HERE)}.10")


def test_an_interpreter_of_another_version_is_not_taken(environment, tmp_path) -> None:
    environment["PATH"] = str(program(tmp_path / "bin", "echo 2.7 /usr/bin/python"))
    assert find_python(HERE, environment) is None


def test_the_bootstrap_takes_the_newest_supported_interpreter_that_runs(monkeypatch) -> None:
    old = SimpleNamespace(version_info=(3, 8, 18), executable="/python3.8")
    monkeypatch.setattr(bootstrap, "sys", old)
    found = {(3, 11): Path("/python3.11"), (3, 12): Path("/python3.12")}
    monkeypatch.setattr(bootstrap, "find_python", found.get)
    assert bootstrap.choose_python() == "/python3.12"

    found.clear()
    with pytest.raises(DevstackError, match="none was found"):
        bootstrap.choose_python()
