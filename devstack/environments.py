"""The virtual environment that Odoo runs in; Odoo and the receiver do not share one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from devstack import DevstackError, console
from devstack.bootstrap import run
from devstack.cache import DEV_VENV, ODOO_VENV, REPO, digest, is_current, locked

REQUIREMENTS = REPO / "devstack" / "odoo-requirements.txt"


def find_uv() -> Path:
    """The uv that the bootstrap installed, or one on the PATH."""
    found = DEV_VENV / "bin" / "uv"
    if found.exists():
        return found
    on_path = shutil.which("uv")
    if on_path:
        return Path(on_path)
    raise DevstackError("uv is missing; run `make setup` first.")


def odoo_python() -> Path:
    """The interpreter of Odoo's environment; creates the environment on first use."""
    python = ODOO_VENV / "bin" / "python"
    stamp = ODOO_VENV / "devstack-stamp"
    key = digest(REQUIREMENTS.read_bytes(), sys.version.split()[0])
    if is_current(stamp, key):
        return python
    with locked("odoo-venv", lambda: console.say("Another run installs for Odoo; waiting.")):
        if not is_current(stamp, key):
            with console.step("Installing what Odoo needs from PyPI"):
                uv = find_uv()
                run([uv, "venv", "--clear", "--python", sys.executable, ODOO_VENV])
                run([uv, "pip", "install", "--python", python, "-r", REQUIREMENTS])
            stamp.write_text(key)
    return python
