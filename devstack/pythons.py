"""Finds the Python interpreters of the machine.

Standard library only: the bootstrap imports this module.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

#: The versions that the README promises. Odoo 19 runs on 3.10 to 3.13, the receiver needs 3.11.
SUPPORTED: tuple[tuple[int, int], ...] = ((3, 11), (3, 12), (3, 13))

#: Versions that come next. The receiver's unit tests run on them if the machine has them.
UPCOMING: tuple[tuple[int, int], ...] = ((3, 14),)

#: seconds in which an interpreter must answer
_ANSWER_TIMEOUT = 30


def written(version: tuple[int, int]) -> str:
    """Return the version as text, such as `3.13`."""
    return "{}.{}".format(*version)


def find_python(
    version: tuple[int, int], environment: Mapping[str, str] = os.environ
) -> Path | None:
    """Return the path of an interpreter of this version, or None if no such interpreter runs.

    A program of the right name is not enough: pyenv puts a script for each of its versions on the
    PATH, and the script fails unless the user has selected that version.

    Parameters:
        environment: the variables that say where to look: PATH, PYENV_ROOT, HOME.
    """
    answers = (_ask(program, version) for program in _programs(version, environment))
    return next(filter(None, answers), None)


def _programs(version: tuple[int, int], environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the programs of that name: those on the PATH, then pyenv's, the newest first."""
    name = f"python{written(version)}"
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        if (program := Path(folder, name).absolute()).is_file():
            yield program
    root = environment.get("PYENV_ROOT") or Path(environment.get("HOME", "/"), ".pyenv")
    found = Path(root, "versions").glob(f"{written(version)}.*/bin/{name}")
    yield from sorted(found, key=lambda program: _numbers(program.parts[-3]), reverse=True)


def _numbers(text: str) -> list[int]:
    """Return the numbers in the text: 3.13.10 comes after 3.13.9."""
    return [int(number) for number in re.findall(r"\d+", text)]


def _ask(program: Path, version: tuple[int, int]) -> Path | None:
    """Return the interpreter's own path, or None if the program is no interpreter of this version.

    The module `venv` must be there, too; a minimal installation may lack it.
    """
    code = "import sys, venv; print('{}.{}'.format(*sys.version_info), sys.executable)"
    try:
        done = subprocess.run(
            [program, "-I", "-c", code], capture_output=True, text=True, timeout=_ANSWER_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said, _, path = done.stdout.strip().partition(" ")
    return Path(path) if done.returncode == 0 and said == written(version) else None
