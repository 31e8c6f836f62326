"""Fetches the addons of the Odoo Community Association that are measured beside ours."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from devstack import console
from devstack.bootstrap import run
from devstack.cache import CACHE, digest, is_current, locked
from devstack.environments import find_uv, odoo_python

#: For Odoo 19.0
_ADDONS = ("odoo-addon-auditlog>=19.0,<19.1", "odoo-addon-queue-job>=19.0,<19.1")
#: What they import beyond what Odoo itself needs
_LIBRARIES = ("openupgradelib>=3.13",)


@dataclass(frozen=True)
class Peers:
    """Where the peers are."""

    #: A folder for Odoo's addons_path
    addons: Path
    #: A folder to import from
    python: Path
    #: Names and versions of the addons, for the report
    versions: tuple[str, ...]


def peers() -> Peers:
    """The peers; downloads them on first use."""
    folder = CACHE / "peers"
    stamp = folder / "stamp"
    key = digest(*_ADDONS, *_LIBRARIES)
    if not is_current(stamp, key):
        with locked("peers", lambda: console.say("Another run is fetching the peers; waiting.")):
            if not is_current(stamp, key):
                with console.step("Fetching queue_job and auditlog from PyPI"):
                    shutil.rmtree(folder, ignore_errors=True)
                    _install(folder / "wheels", *_ADDONS)
                    _install(folder / "python", *_LIBRARIES)
                stamp.write_text(key)
    wheels = folder / "wheels"
    versions = tuple(
        path.stem.removeprefix("odoo_addon_").replace("-", " ")
        for path in sorted(wheels.glob("*.dist-info"))
    )
    return Peers(wheels / "odoo" / "addons", folder / "python", versions)


def _install(target: Path, *requirements: str) -> None:
    # Without dependencies: they name Odoo itself, which is there but not as a package.
    where: list[str | Path] = ["--python", odoo_python(), "--target", target]
    run([find_uv(), "pip", "install", "--no-deps", *where, *requirements])
