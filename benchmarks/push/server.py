"""A variant's Odoo server, with whatever it needs beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.push.follower import Follower
from benchmarks.push.sink import Sink
from benchmarks.push.variants import Variant
from devstack.cache import REPO
from devstack.json2 import Json2
from devstack.odoo import Odoo
from devstack.process import Child, answers, free_port, run_folder

_SCRIPT = "from benchmarks.push.inside import prepare; result = prepare(env, variant, url)"
#: Jobs whose time has come
_DUE = """
    SELECT count(*) FROM ir_cron
     WHERE active AND (nextcall <= now() AT TIME ZONE 'UTC'
           OR id IN (SELECT cron_id FROM ir_cron_trigger
                      WHERE call_at <= now() AT TIME ZONE 'UTC'))
"""


@dataclass(frozen=True)
class Prepared:
    """A variant's database, which lives as long as the benchmark."""

    variant: Variant
    odoo: Odoo
    database: str
    sink: Sink
    api_key: str
    #: where its Odoo notes commits, and what its crons look at
    folder: Path
    follower: Follower | None = None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Its server, idle and alone, while the block runs."""
        with self.odoo.postgres.connect(self.database) as cursor:
            cursor.execute("VACUUM (ANALYZE)")
        # This takes long enough for others to start runs, and only the folders of the last stay.
        run_folder().mkdir(exist_ok=True)
        with ExitStack() as exits:
            server = self._serve()
            exits.callback(server.stop)
            if self.follower:
                exits.callback(self.follower.stop)
                self.follower.start()
            server.wait_until_idle()
            yield server

    def _serve(self) -> Running:
        port = free_port()
        variant = self.variant
        config = self.odoo.config(
            self.database,
            http_port=port,
            gevent_port=free_port(),
            workers=variant.workers,
            max_cron_threads=2,  # Odoo's default
            **variant.options,
        )
        with config.open("a") as file:
            file.write(variant.sections)
        child = Child(
            f"odoo-{variant.key}",
            self.odoo.command("server", config),
            environment={**self.odoo.environment(), "BENCH_PUSH_FOLDER": str(self.folder)},
            cwd=self.folder,
        )
        api = Json2(f"http://127.0.0.1:{port}", self.database, self.api_key)
        return Running(self, child, api)


@dataclass(frozen=True)
class Running:
    """A variant's server, for one turn."""

    prepared: Prepared
    child: Child
    api: Json2

    def wait_until_idle(self) -> None:
        """Wait until it answers and has done what Odoo does after a start."""
        self.child.wait_until(answers(f"{self.api.url}/web/health"), timeout=120)
        self.child.wait_until(self._has_caught_up, timeout=120)
        if self.prepared.variant.ready:
            self.child.wait_until(self._is_ready, timeout=60)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keep both cron workers busy while the block runs."""
        folder = self.prepared.folder
        work = folder / "work"

        def working() -> int:
            return len(list(folder.glob("busy-*")))

        work.touch()
        try:
            self.api.call("res.partner", "bench_start_work")
            self.child.wait_until(lambda: working() == 2, timeout=60)
            yield
            if working() != 2:
                raise self.child.error("has crons that ended too early")
        finally:
            work.unlink()
        self.child.wait_until(lambda: not working(), timeout=30)

    def hold_back(self) -> None:
        """Have events wait."""
        if self.prepared.follower:
            self.prepared.follower.stop()
        else:
            pause = {"paused_until": "2099-01-01 00:00:00"}
            self.api.call("webhook.subscriber", "write", self._subscribers(), vals=pause)

    def let_go(self) -> None:
        """Have events sent that were held back."""
        if self.prepared.follower:
            self.prepared.follower.start()
        else:
            self.api.call("webhook.subscriber", "action_resume", self._subscribers())

    def give_up(self, record_id: int) -> None:
        """Have nothing more sent of a contact, in a variant of this addon."""
        waiting = [("record_id", "=", record_id), ("state", "=", "pending")]
        ids = self.api.call("webhook.delivery", "search", domain=waiting)
        self.api.call("webhook.delivery", "action_cancel", ids)

    def commits(self) -> dict[int, int]:
        """Forget and return when contacts were last committed, in nanoseconds, by their ids."""
        file = self.prepared.folder / "commits"
        lines = file.read_text().splitlines()
        file.unlink()
        return {int(word): int(moment) for moment, *ids in map(str.split, lines) for word in ids}

    def stop(self) -> None:
        self.child.stop()

    def _subscribers(self) -> list[int]:
        ids: list[int] = self.api.call("webhook.subscriber", "search", domain=[])
        return ids

    def _is_ready(self) -> bool:
        with self.prepared.odoo.postgres.connect(self.prepared.database) as cursor:
            cursor.execute(self.prepared.variant.ready)
            return bool(cursor.rowcount)

    def _has_caught_up(self) -> bool:
        """Whether no job of a cron is due; wakes the crons, which first sleep for a minute."""
        postgres, database = self.prepared.odoo.postgres, self.prepared.database
        with postgres.connect() as cursor:
            cursor.execute("SELECT pg_notify('cron_trigger', %s)", [database])
        time.sleep(0.5)
        with postgres.connect(database) as cursor:
            cursor.execute(_DUE)
            return bool(cursor.fetchone() == (0,))


def prepare(
    variant: Variant, odoo: Odoo, database: str, sink: Sink, folder: Path, follower: Follower | None
) -> Prepared:
    """Configure a variant in its database."""
    folder.mkdir()
    # Only Odoo's shell is to see the benchmark's own modules.
    shell = replace(odoo, extra_python=(*odoo.extra_python, REPO))
    key = shell.run_script(database, _SCRIPT, variant=variant.key, url=sink.url)
    return Prepared(variant, odoo, database, sink, key, folder, follower)
