"""erpdoo: a program beside Odoo that reads the database's changes by logical replication."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from psycopg2.extensions import make_dsn

from benchmarks.peers import Program
from benchmarks.push.variants import MODEL
from devstack.cache import CACHE
from devstack.postgres import Postgres
from devstack.process import Child, run_folder

#: Whether somebody reads the changes
_FOLLOWED = "SELECT FROM pg_replication_slots WHERE slot_name = %s AND active"


@dataclass
class Follower:
    """erpdoo with its default settings: every stored column, one event a request, unsigned."""

    program: Program
    postgres: Postgres
    database: str
    folder: Path
    _child: Child | None = field(default=None, repr=False)

    def configure(self, url: str) -> None:
        """Write its settings and its rule; both are YAML, of which JSON is a part."""
        self.folder.mkdir()
        sinks = [{"type": "webhook", "url": url}]
        rule = {"model": MODEL, "on": ["create", "update"]}
        (self.folder / "erpdoo.yml").write_text(json.dumps({"sinks": sinks}))
        (self.folder / "rules.yml").write_text(json.dumps({"ContactChanged": rule}))

    def start(self) -> None:
        """Start it and wait until it follows; it goes on where it was stopped."""
        foreign = ("ERPDOO_", "PYTHON", "PG")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        run_folder().mkdir(exist_ok=True)
        self._child = Child(
            "erpdoo",
            [self.program.interpreter, "-m", "erpdoo"],
            environment={
                **kept,
                "PYTHONPATH": str(self.program.python),
                "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"),
                "ERPDOO_PG_DSN": make_dsn(**self.postgres.parameters, dbname=self.database),
                "ERPDOO_RULES": "rules.yml",
                "ERPDOO_STATE": "state.db",
                # Slots are the whole server's, not the database's.
                "ERPDOO_SLOT": self.database,
            },
            cwd=self.folder,
        )
        self._child.wait_until(self._follows, timeout=60)

    def stop(self) -> None:
        """Stop it; what changes from now on waits for its next start."""
        if self._child:
            self._child.stop()
            self._child = None

    def _follows(self) -> bool:
        with self.postgres.connect() as cursor:
            cursor.execute(_FOLLOWED, [self.database])
            return bool(cursor.rowcount)
