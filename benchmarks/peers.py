"""Fetches from PyPI what is measured beside this project, into the cache folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack import console
from devstack.bootstrap import run
from devstack.cache import CACHE, digest, is_current, locked
from devstack.environments import find_uv, odoo_python

#: Addons of the Odoo Community Association, for Odoo 19.0
_ADDONS = ("odoo-addon-auditlog>=19.0,<19.1", "odoo-addon-queue-job>=19.0,<19.1")
#: What they import beyond what Odoo itself needs
_LIBRARIES = ("openupgradelib>=3.13",)
#: A program of its own, so with all that it imports
_ERPDOO = ("erpdoo>=0.1,<0.2",)


@dataclass(frozen=True)
class Addons:
    """Where the addons are."""

    #: A folder for Odoo's addons_path
    addons: Path
    #: A folder to import from
    python: Path
    #: Names and versions of the addons, for the report
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A program that runs beside Odoo, as `python -m <name>`."""

    #: The interpreter that it was installed for
    interpreter: Path
    #: A folder to import from
    python: Path
    #: Its name and version, for the report
    version: str


def oca_addons() -> Addons:
    """queue_job and auditlog; downloads them on first use."""
    folder = CACHE / "peers"
    stamp = folder / "stamp"
    key = digest(*_ADDONS, *_LIBRARIES)
    if not is_current(stamp, key):
        with locked("peers", lambda: console.say("Another run is fetching the peers; waiting.")):
            if not is_current(stamp, key):
                with console.step("Fetching queue_job and auditlog from PyPI"):
                    # Without dependencies: they name Odoo itself, which is there but not as a
                    # package.
                    _install(folder / "wheels", *_ADDONS, options=["--no-deps"])
                    _install(folder / "python", *_LIBRARIES, options=["--no-deps"])
                stamp.write_text(key)
    wheels = folder / "wheels"
    versions = (name.removeprefix("odoo_addon_") for name in _versions(wheels))
    return Addons(wheels / "odoo" / "addons", folder / "python", tuple(versions))


def erpdoo() -> Program:
    """erpdoo; downloads it on first use."""
    folder = CACHE / "peers" / "erpdoo"
    stamp = CACHE / "peers" / "erpdoo-stamp"
    key = digest(*_ERPDOO)
    if not is_current(stamp, key):
        with locked("peers", lambda: console.say("Another run is fetching the peers; waiting.")):
            if not is_current(stamp, key):
                with console.step("Fetching erpdoo from PyPI"):
                    _install(folder, *_ERPDOO)
                stamp.write_text(key)
    [version] = (name for name in _versions(folder) if name.startswith("erpdoo "))
    return Program(odoo_python(), folder, version)


def _install(target: Path, *requirements: str, options: Sequence[str] = ()) -> None:
    shutil.rmtree(target, ignore_errors=True)
    where: list[str | Path] = ["--python", odoo_python(), "--target", target]
    run([find_uv(), "pip", "install", *options, *where, *requirements])


def _versions(folder: Path) -> list[str]:
    """Names and versions of what is installed in a folder."""
    return [path.stem.replace("-", " ") for path in sorted(folder.glob("*.dist-info"))]
