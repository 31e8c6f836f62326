"""Runs the addon's tests inside Odoo, with pytest."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from devstack import console
from devstack.cache import CACHE, REPO
from devstack.databases import Databases, addon_folders
from devstack.odoo import Odoo
from devstack.postgres import postgres
from devstack.process import free_port

PYTEST_INI = REPO / "devstack" / "addon-pytest.ini"


def run_addon_tests(arguments: Sequence[str]) -> int:
    """Run them in a fresh copy of the database; returns pytest's exit code."""
    with postgres() as server:
        odoo = Odoo(server)
        extra = [folder.name for folder in addon_folders() if folder.name.startswith("test_")]
        with Databases(odoo).temporary(extra) as database:
            config = odoo.config(database, http_port=free_port(), gevent_port=free_port())
            console.say(f"Testing in the database {database}")
            folders = [] if _names_tests(arguments) else [str(f / "tests") for f in addon_folders()]
            return subprocess.run(
                [odoo.python, "-m", "pytest", "-c", PYTEST_INI, "--rootdir", REPO, "--odoo-http",
                 "-o", f"cache_dir={CACHE / 'pytest-addon'}", *folders, *arguments],
                env={**odoo.environment(), "ODOO_RC": str(config)},
                cwd=REPO,
            ).returncode  # fmt: skip


def _names_tests(arguments: Sequence[str]) -> bool:
    """Whether the arguments say which files to test."""
    return any((REPO / argument.split("::")[0]).exists() for argument in arguments)
