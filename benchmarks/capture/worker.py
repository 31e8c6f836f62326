"""A variant's own Odoo process, seen from the benchmark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from benchmarks.capture.inside import CONNECTED
from benchmarks.capture.results import Measurement
from benchmarks.capture.variants import Variant
from devstack import DevstackError
from devstack.cache import REPO
from devstack.odoo import Odoo
from devstack.process import Child

_SCRIPT = "from benchmarks.capture.inside import serve; serve(env)"
#: Longer than any workload takes, in seconds
_PATIENCE = 180


@dataclass(frozen=True)
class Worker:
    """A process that runs workloads when told to."""

    variant: Variant
    database: str
    odoo: Odoo
    child: Child
    pipe: Connection

    def run(self, workload: str, token: str) -> Measurement:
        """Run a workload once and leave the database as it was."""
        self.pipe.send({"workload": workload, "token": token})
        answer = self.receive()
        # Every run finds tables without the dead rows of the one before.
        with self.odoo.postgres.connect(self.database) as cursor:
            tables = {"res_partner", *answer["tables"]}
            cursor.execute("VACUUM (ANALYZE) " + ", ".join(f'"{name}"' for name in sorted(tables)))
        return Measurement(
            answer["seconds"] * 1000, answer["cpu_seconds"] * 1000, answer["statements"]
        )

    def receive(self) -> dict[str, Any]:
        """Wait for an answer; an error in the process becomes an error here."""
        try:
            if not self.pipe.poll(_PATIENCE):
                raise self.child.error(f"did not answer within {_PATIENCE} s")
            answer: dict[str, Any] = self.pipe.recv()
        except EOFError:
            raise self.child.error("died") from None
        if "error" in answer:
            raise DevstackError(f"{self.variant.title}: {answer['error']}")
        return answer


@contextmanager
def worker(odoo: Odoo, database: str, variant: Variant) -> Iterator[Worker]:
    """A process for the variant, ready to run workloads while the block runs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        script = Path(folder) / "script.py"
        script.write_text(_SCRIPT)
        address = f"{folder}/socket"
        environment = {
            **odoo.environment(),
            "BENCH_ADDRESS": address,
            "BENCH_VARIANT": variant.key,
            # Processes differ by the order of their sets and dictionaries otherwise.
            "PYTHONHASHSEED": "0",
        }
        environment["PYTHONPATH"] += f"{os.pathsep}{REPO}"
        command = odoo.command("shell", odoo.config(database), "--no-http")
        with Listener(address) as listener, script.open() as stdin:
            child = Child(
                f"bench-{variant.key}",
                command,
                environment=environment,
                cwd=Path(folder),
                stdin=stdin.fileno(),
            )
            try:
                child.wait_until(child.logged(CONNECTED), timeout=120)
                with listener.accept() as pipe:
                    process = Worker(variant, database, odoo, child, pipe)
                    process.receive()
                    yield process
                    pipe.send(None)
                    child.wait(timeout=30)
            finally:
                child.stop()
