"""Makes the development environment: `python3 -m devstack.bootstrap`, called by the Makefile.

Runs on whatever `python3` the machine has, standard library only, and needs no root: where
Debian's `python3-venv` is missing, pip comes out of a package that is unpacked, not installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from devstack import DevstackError, console
from devstack.cache import CACHE, DEV_VENV, REPO, digest, is_current, locked
from devstack.pythons import SUPPORTED, find_python


def choose_python() -> str:
    """Return a supported interpreter: the running one if it will do, else the newest that runs.

    Raises:
        DevstackError: the machine has none.
    """
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable
    for version in reversed(SUPPORTED):
        if found := find_python(version):
            return str(found)
    raise DevstackError(
        "Python 3.11, 3.12 or 3.13 is needed and none was found (python3 is {}.{}). "
        "Install one, for example with `apt install python3.13`, "
        "or name one with `make PYTHON=/path/to/python3.13`.".format(*sys.version_info[:2])
    )


def pip_wheel(python: str) -> Path:
    """A wheel that pip can be run from; pip need not be installed anywhere."""
    folders = [Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or "/usr/share/python-wheels")]
    shown = subprocess.run(
        [python, "-c", "import ensurepip; print(ensurepip.__path__[0])"],
        capture_output=True,
        text=True,
    )
    if not shown.returncode:
        folders.append(Path(shown.stdout.strip()) / "_bundled")
    unpacked = CACHE / "pip"
    folders.append(unpacked / "usr/share/python-wheels")
    for folder in folders:
        for wheel in sorted(folder.glob("pip-*.whl")):
            return wheel

    from devstack.debian import Apt, unpack

    with console.step("Fetching pip, as python3-venv is not installed"):
        apt = Apt([""])
        apt.update()
        [package] = apt.download([("python3-pip-whl", "")])
        unpack(package, unpacked)
    return pip_wheel(python)


def uv_environment() -> dict[str, str]:
    """The environment for uv: its cache beside the rest, and the index that pip was told of."""
    environment = {**os.environ}
    environment.setdefault("UV_CACHE_DIR", str(CACHE / "uv"))
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    # Someone else's active environment must not become the target.
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"):
        environment.pop(name, None)
    return environment


def run(command: list[str | Path]) -> None:
    """Run a command quietly; its output becomes the error if it fails."""
    done = subprocess.run(command, env=uv_environment(), capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise DevstackError(f"`{Path(command[0]).name} {command[1]} …` failed:\n{tail}")


def environment_key() -> str:
    return digest((REPO / "pyproject.toml").read_bytes(), str(REPO))


def build(stamp: Path) -> None:
    """Create the environment from nothing, or bring it up to date."""
    python = DEV_VENV / "bin" / "python"
    uv = DEV_VENV / "bin" / "uv"
    works = python.exists() and not subprocess.run([python, "-c", ""]).returncode
    if not works or not uv.exists():
        chosen = choose_python()
        with console.step("Creating the development environment"):
            run([chosen, "-m", "venv", "--clear", "--without-pip", DEV_VENV])
        wheel = pip_wheel(chosen)
        with console.step("Installing uv"):
            run([python, wheel / "pip", "install", "--quiet", "--no-input", "uv"])
    with console.step("Installing the receiver and the development tools") as step:
        run([uv, "pip", "install", "--python", python, "-e", f"{REPO}[dev]"])
        step.note = str(DEV_VENV.relative_to(CACHE.parent))
    stamp.write_text(environment_key())


def main() -> int:
    """Make sure that the environment is there; cheap when it already is."""
    stamp = DEV_VENV / "devstack-stamp"
    if is_current(stamp, environment_key()):
        return 0
    # The embedded PostgreSQL of a root user runs as somebody else, who must read its programs.
    os.umask(0o022)
    try:
        with locked("dev-venv", lambda: console.say("Another run is setting up; waiting for it.")):
            if not is_current(stamp, environment_key()):
                build(stamp)
    except DevstackError as error:
        console.say(console.styled(f"Setup failed: {error}", "red"))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
