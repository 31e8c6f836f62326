"""The part of a worker that runs inside Odoo's shell: obeys the benchmark over a socket."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Client, Connection
from typing import Any

from psycopg2.sql import SQL, Identifier

from benchmarks.capture.leftovers import Leftovers
from benchmarks.capture.variants import VARIANTS
from benchmarks.capture.workloads import BULK, FIELD, MODEL, WORKLOADS, Change, Task

#: Printed when somebody waits for orders on the socket
CONNECTED = "bench: connected"


def serve(env: Any) -> None:
    """Prepare the database, then run the workloads that are asked for until told to stop."""
    # What a command line tool of Odoo left open would keep dead rows alive for ever.
    env.cr.commit()
    # The socket's folder is open to nobody else, so nobody has to prove who they are.
    with Client(os.environ["BENCH_ADDRESS"]) as pipe:
        print(CONNECTED, flush=True)
        try:
            worker = Worker(env, os.environ["BENCH_VARIANT"])
            pipe.send({"ready": True})
            obey(worker, pipe)
        except Exception:  # whatever it is, the benchmark is to say it
            pipe.send({"error": traceback.format_exc()})


def obey(worker: Worker, pipe: Connection) -> None:
    while (command := pipe.recv()) is not None:
        pipe.send(worker.run(**command))


class Worker:
    """Runs workloads on one database, checks what was recorded and cleans up."""

    def __init__(self, env: Any, variant: str) -> None:
        self.env = env
        self.variant = VARIANTS[variant]
        task = Task(env, (), "seed")
        self.ids = env[MODEL].create([task.values(number) for number in range(BULK)]).ids
        env.cr.commit()
        self.variant.setup(env)
        env.cr.commit()
        self.leftovers = Leftovers(env.cr)
        env.cr.commit()

    def run(self, workload: str, token: str) -> dict[str, Any]:
        """Run a workload once; returns what it took, in time and SQL statements."""
        work = WORKLOADS[workload]
        old = self._values()
        task = Task(self.env, self.ids, token, work.warm)
        gc.collect()  # what earlier work left behind is not this one's to pay for
        done = work.run(task)
        changes = [replace(change, old=old.get(change.record_id)) for change in done]
        with self.env.registry.cursor() as cr:
            self._check_business(cr, changes)
            self.variant.check(cr, changes)
        with self.env.registry.cursor() as cr:
            grown = self.leftovers.remove(cr)
        return {
            "seconds": task.meter.seconds,
            "cpu_seconds": task.meter.cpu_seconds,
            "statements": task.meter.statements,
            "tables": grown,
        }

    def _values(self) -> dict[int, str]:
        with self.env.registry.cursor() as cr:
            return _read(cr, self.ids)

    @staticmethod
    def _check_business(cr: Any, changes: list[Change]) -> None:
        """The workload itself must have done its work."""
        wanted = {change.record_id: change.new for change in changes}
        if _read(cr, list(wanted)) != wanted:
            raise RuntimeError("The workload's changes are not in the database.")


def _read(cr: Any, ids: Sequence[int]) -> dict[int, str]:
    query = SQL("SELECT id, {} FROM res_partner WHERE id = ANY(%s)").format(Identifier(FIELD))
    cr.execute(query, [ids])
    return dict(cr.fetchall())
