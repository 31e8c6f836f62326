"""Runs Odoo: its configuration file, server, shell scripts and module installation."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from devstack import DevstackError
from devstack.cache import CACHE, REPO
from devstack.environments import odoo_python
from devstack.odoo_source import OdooSource, odoo_source
from devstack.postgres import Postgres
from devstack.process import Child, answers, free_port, run_folder

ADDONS = REPO / "odoo_addons"

#: Marks the line with the result among what a shell script prints.
_RESULT = "devstack-result:"


@dataclass(frozen=True)
class Odoo:
    """An Odoo installation, ready to run on databases of one PostgreSQL server."""

    postgres: Postgres
    #: More folders of addons than Odoo's and ours
    extra_addons: tuple[Path, ...] = ()
    #: More folders to import from
    extra_python: tuple[Path, ...] = ()

    @cached_property
    def source(self) -> OdooSource:
        return odoo_source()

    @cached_property
    def python(self) -> Path:
        return odoo_python()

    @property
    def data(self) -> Path:
        """Odoo's data folder, which holds the filestores of its databases."""
        return CACHE / "odoo-data" / self.postgres.identity

    def filestore(self, database: str) -> Path:
        return self.data / "filestore" / database

    def environment(self) -> dict[str, str]:
        """The environment of Odoo's processes: nothing in ours may reconfigure them."""
        foreign = ("PG", "ODOO_", "PYTHON", "VIRTUAL_ENV")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(map(str, (self.source.python_path, *self.extra_python))),
            # Compiling Odoo costs seconds; a tree given by ODOO_PATH may be read-only.
            "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"),
            "PYTHONUNBUFFERED": "1",
        }

    def config(self, database: str, **options: object) -> Path:
        """Write a configuration file for one database."""
        parameters = self.postgres.parameters
        values: dict[str, object] = {
            "addons_path": ",".join(map(str, (*self.source.addons, ADDONS, *self.extra_addons))),
            "data_dir": self.data,
            "db_name": database,
            "dbfilter": f"^{re.escape(database)}$",
            "list_db": False,
            "http_interface": "127.0.0.1",
            "max_cron_threads": 0,
            **{
                f"db_{name}": parameters[name]
                for name in ("host", "port", "user", "password", "sslmode")
                if name in parameters
            },
            **options,
        }
        lines = [f"{name} = {value}" for name, value in values.items()]
        path = run_folder() / f"{database}.conf"
        path.write_text("\n".join(["[options]", *lines, ""]))
        path.chmod(0o600)  # may hold the password of the database
        return path

    def command(self, subcommand: str, config: Path, *arguments: str) -> list[str | Path]:
        return [self.python, self.source.command, subcommand, "-c", config, *arguments]

    def child(self, name: str, command: Sequence[str | Path], **options: Any) -> Child:
        return Child(name, command, environment=self.environment(), cwd=run_folder(), **options)

    def install(
        self,
        database: str,
        modules: Sequence[str],
        progress: Callable[[str], None] = lambda module: None,
    ) -> list[str]:
        """Install modules, creating the database if needed; returns the log's warnings."""
        arguments = ("-i", ",".join(modules), "--stop-after-init", "--no-http")
        child = self.child("install", self.command("server", self.config(database), *arguments))

        def report() -> None:
            loading = re.findall(r"Loading module (\S+) \((\d+/\d+)\)", child.tail(200))
            if loading:
                progress(" ".join(loading[-1]))

        try:
            child.wait(timeout=900, while_waiting=report)
        finally:
            child.stop()
        log = child.log_path.read_text(errors="replace")
        if re.search(r"^\S+ \S+ \d+ (ERROR|CRITICAL) ", log, re.MULTILINE):
            raise child.error("logged errors")
        # Odoo only logs a warning when it cannot find or load a module.
        with self.postgres.connect(database) as cursor:
            cursor.execute("SELECT name FROM ir_module_module WHERE state = 'installed'")
            missing = set(modules) - {name for (name,) in cursor.fetchall()}
        if missing:
            raise child.error(f"did not install {', '.join(sorted(missing))}")
        return re.findall(r"^\S+ \S+ \d+ WARNING \S+ (.*)", log, re.MULTILINE)

    def run_script(self, database: str, script: str, **parameters: Any) -> Any:
        """Run Python code in an Odoo shell on the database.

        The code finds `env` and its parameters as variables, and leaves what to return (JSON) in
        the variable `result`. It commits by itself.
        """
        prelude = f"import json as _json\nglobals().update(_json.loads({json.dumps(parameters)!r}))"
        closing = f"print({_RESULT!r} + _json.dumps(globals().get('result'), default=str))"
        command = self.command("shell", self.config(database), "--no-http")
        done = subprocess.run(
            command,
            input="\n".join([prelude, script, closing]),
            env=self.environment(),
            cwd=run_folder(),
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        for line in done.stdout.splitlines():
            if line.startswith(_RESULT):
                return json.loads(line.removeprefix(_RESULT))
        tail = "\n".join(done.stderr.strip().splitlines()[-20:])
        raise DevstackError(f"A script in Odoo's shell failed:\n{tail}")

    def serve(
        self,
        database: str,
        *,
        port: int | None = None,
        workers: int = 0,
        options: Mapping[str, object] | None = None,
    ) -> Server:
        """Start a server, on a free port by default; with workers it is prefork.

        It need not be ready yet when this returns; see `Server.wait_until_ready`.
        """
        port = port or free_port()
        config = self.config(
            database,
            **{
                "http_port": port,
                "gevent_port": free_port(),
                "workers": workers,
                "max_cron_threads": 1,
                **(options or {}),
            },
        )
        child = self.child("odoo", self.command("server", config))
        return Server(f"http://127.0.0.1:{port}", database, child)


@dataclass(frozen=True)
class Server:
    """A running Odoo server."""

    url: str
    database: str
    child: Child

    def wait_until_ready(self) -> None:
        self.child.wait_until(answers(f"{self.url}/web/health"), timeout=120)

    def stop(self) -> None:
        self.child.stop()
