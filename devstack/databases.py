"""Databases of Odoo: built once, kept as templates, copied for each run in about a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from devstack import console
from devstack.cache import CACHE, digest, locked, tree_digest
from devstack.odoo import ADDONS, Odoo

#: The part of a database that changes with Odoo only, and takes long.
BASE_MODULES = ("base", "web", "contacts", "sale")
ADDON = "auto_webhook_odoo"

#: Keeps the databases of several checkouts apart on one server.
_PREFIX = f"devstack_{digest(str(CACHE))[:6]}"

#: Odoo asks its maker for updates once a week; a database for tests stays quiet.
_QUIETEN = """
    UPDATE ir_cron SET active = false WHERE id IN (
        SELECT res_id FROM ir_model_data
        WHERE model = 'ir.cron' AND name = 'ir_cron_module_update_notification')
"""
#: A copy is another source of events than its template, at a place of its own.
_NEW_IDENTITY = """
    UPDATE ir_config_parameter SET value = gen_random_uuid()::text
    WHERE key IN ('database.uuid', 'database.secret');
    DELETE FROM ir_config_parameter WHERE key = 'auto_webhook_odoo.place'
"""


def addon_folders() -> list[Path]:
    """The repository's addons."""
    return sorted(path.parent for path in ADDONS.glob("*/__manifest__.py"))


class Databases:
    """Makes databases with Odoo and the addon installed."""

    def __init__(self, odoo: Odoo) -> None:
        self.odoo = odoo
        self.postgres = odoo.postgres
        _ = odoo.source, odoo.python  # fetched first: they show steps of their own
        if self.postgres.alone:
            self._drop_others(f"{_PREFIX}_run_", keep="")

    @contextmanager
    def temporary(self, extra_modules: Sequence[str] = ()) -> Iterator[str]:
        """A fresh database with the addon (and more modules), dropped after the block."""
        with self.fresh((ADDON, *extra_modules)) as name:
            yield name

    @contextmanager
    def fresh(
        self, modules: Sequence[str] = (), base: Sequence[str] = BASE_MODULES
    ) -> Iterator[str]:
        """A fresh database with these modules on top of Odoo's own, dropped after the block."""
        with locked("templates", lambda: console.say("Another run builds a database; waiting.")):
            template = self._template(modules, base)
            name = f"{_PREFIX}_run_{os.getpid()}_{os.urandom(2).hex()}"
            self.copy(template, name)
        try:
            yield name
        finally:
            self.drop(name)

    def copy(self, template: str, name: str) -> None:
        """Copy a database with its filestore, as a source of its own."""
        self._copy(template, name)
        with self.postgres.connect(name) as cursor:
            cursor.execute(_NEW_IDENTITY)

    def drop(self, name: str) -> None:
        """Drop a database and its filestore."""
        self.postgres.drop(name)
        shutil.rmtree(self.odoo.filestore(name), ignore_errors=True)

    def _base_template(self, modules: Sequence[str]) -> str:
        of = "" if modules == BASE_MODULES else digest(*modules)[:6]
        family = f"{_PREFIX}_base{of}_"
        name = family + digest(self.odoo.source.version, *modules)
        if not self.postgres.exists(name):
            self._build(name, "", modules, f"Building a database with Odoo's {modules[-1]}")
            self._drop_others(family, keep=name)
        return name

    def _template(self, modules: Sequence[str], base_modules: Sequence[str]) -> str:
        base = self._base_template(base_modules)
        if not modules:
            return base
        of = modules if base_modules == BASE_MODULES else (*base_modules, *modules)
        family = f"{_PREFIX}_addon_{digest(*of)[:6]}_"
        name = family + digest(base, tree_digest(self._sources(modules), without=["tests"]))
        if not self.postgres.exists(name):
            self._build(name, base, modules, f"Installing {', '.join(modules)}")
            self._drop_others(family, keep=name)
        return name

    def _sources(self, modules: Sequence[str]) -> list[Path]:
        """The folders whose change makes a template with these modules outdated."""
        # One of ours may depend on others of ours.
        ours = addon_folders() if any((ADDONS / module).is_dir() for module in modules) else []
        others = [
            folder / module
            for folder in self.odoo.extra_addons
            for module in modules
            if (folder / module).is_dir()
        ]
        return [*ours, *others]

    def _build(self, name: str, template: str, modules: Sequence[str], title: str) -> None:
        """Install modules in a copy of the template (or in a new database) under another name."""
        building = f"{_PREFIX}_building"
        self.drop(building)
        try:
            with console.step(title) as step:
                if template:
                    self._copy(template, building)
                else:
                    self._create_empty(building)
                warnings = self.odoo.install(
                    building, modules, lambda module: setattr(step, "note", module)
                )
                step.note = ""
                with self.postgres.connect(building) as cursor:
                    cursor.execute(_QUIETEN)
                if self.odoo.filestore(building).exists():
                    shutil.rmtree(self.odoo.filestore(name), ignore_errors=True)
                    self.odoo.filestore(building).rename(self.odoo.filestore(name))
                self.postgres.rename(building, name)
            for warning in dict.fromkeys(warnings):
                console.say(console.styled(f"  warning: {warning}", "yellow"))
        finally:
            self.drop(building)

    def _create_empty(self, name: str) -> None:
        """As Odoo does it, without its error in the log where there is no pg_trgm."""
        self.postgres.clone("template0", name)
        with self.postgres.connect(name) as cursor:
            cursor.execute("SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'")
            if cursor.fetchone():
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")

    def _copy(self, template: str, name: str) -> None:
        self.postgres.clone(template, name)
        stored = self.odoo.filestore(template)
        if stored.exists():
            # Files are named by their contents and never written twice, so links will do.
            shutil.copytree(stored, self.odoo.filestore(name), copy_function=os.link)

    def _drop_others(self, prefix: str, keep: str) -> None:
        for name in self.postgres.databases():
            if name.startswith(prefix) and name != keep:
                self.drop(name)
