"""The workloads, as business code would write them. Runs inside Odoo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODEL = "res.partner"
#: The field that writes change. No column depends on it and the chatter does not track it, so the
#: untracked write is as cheap as a write can be and whatever recording adds shows the most.
FIELD = "function"

#: Records of a workload in one transaction
BULK = 300
#: Transactions of a workload with one record each
SINGLES = 50


@dataclass(frozen=True)
class Change:
    """One record's net change, as a recorder should have seen it."""

    record_id: int
    event: str
    new: str
    old: str | None = None


@dataclass
class Meter:
    """What some transactions took, from their work to their commit."""

    seconds: float = 0.0
    #: of this process and of its session's process in PostgreSQL
    cpu_seconds: float = 0.0
    statements: int = 0

    @contextmanager
    def transaction(self, env: Any, warm: Sequence[int] = ()) -> Iterator[Any]:
        """A transaction of its own, measured; `warm` names records it has read beforehand."""
        with env.registry.cursor() as cr:
            request = env(cr=cr)
            request[MODEL].browse(warm).mapped(FIELD)
            statements, cpu = cr.sql_log_count, _cpu_seconds(cr)
            started = time.perf_counter()
            yield request
            cr.commit()
            self.seconds += time.perf_counter() - started
            self.cpu_seconds += _cpu_seconds(cr) - cpu
            self.statements += cr.sql_log_count - statements


def _cpu_seconds(cr: Any) -> float:
    """Processor time used so far; without PostgreSQL's part if that runs elsewhere."""
    try:
        # Its first number are the nanoseconds on a processor (Documentation/scheduler/
        # sched-stats.rst of Linux); the times in `stat` come in steps of 10 ms.
        schedstat = Path(f"/proc/{cr.connection.info.backend_pid}/schedstat").read_text()
    except OSError:
        return time.process_time()
    return time.process_time() + int(schedstat.split()[0]) / 1e9


@dataclass(frozen=True)
class Task:
    """One execution of a workload: what it works with, and what measures it."""

    env: Any
    #: existing records, for the workloads that write
    ids: Sequence[int]
    #: differs from execution to execution, so that every write changes something
    token: str
    warm: bool = False
    meter: Meter = field(default_factory=Meter)

    def values(self, number: int) -> dict[str, Any]:
        """A contact as people enter it."""
        return {
            "name": f"Contact {self.token} {number}",
            "email": f"contact{number}@example.com",
            "phone": f"+1 555 {number:04}",
            "street": f"{number} Main Street",
            "zip": f"{10000 + number}",
            "city": "Springfield",
            "function": f"Buyer {self.token} {number}",
            "comment": "Prefers to be called in the morning",
        }

    def transaction(self, ids: Sequence[int] = ()) -> Any:
        return self.meter.transaction(self.env, ids if self.warm else ())


def create_bulk(task: Task) -> list[Change]:
    values = [task.values(number) for number in range(BULK)]
    with task.transaction() as env:
        records = env[MODEL].create(values)
    return [
        Change(record_id, "create", value[FIELD])
        for record_id, value in zip(records.ids, values, strict=True)
    ]


def write_same(task: Task) -> list[Change]:
    ids, value = task.ids[:BULK], f"Seller {task.token}"
    with task.transaction(ids) as env:
        env[MODEL].browse(ids).write({FIELD: value})
    return [Change(record_id, "write", value) for record_id in ids]


def write_different(task: Task) -> list[Change]:
    ids = task.ids[:BULK]
    values = [f"Seller {task.token} {number}" for number in range(BULK)]
    with task.transaction(ids) as env:
        for record, value in zip(env[MODEL].browse(ids), values, strict=True):
            record.write({FIELD: value})
    return [Change(record_id, "write", value) for record_id, value in zip(ids, values, strict=True)]


def create_singles(task: Task) -> list[Change]:
    changes = []
    for number in range(SINGLES):
        value = task.values(number)
        with task.transaction() as env:
            record = env[MODEL].create(value)
        changes.append(Change(record.id, "create", value[FIELD]))
    return changes


def write_singles(task: Task) -> list[Change]:
    changes = []
    for number, record_id in enumerate(task.ids[:SINGLES]):
        value = f"Seller {task.token} {number}"
        with task.transaction([record_id]) as env:
            env[MODEL].browse(record_id).write({FIELD: value})
        changes.append(Change(record_id, "write", value))
    return changes


@dataclass(frozen=True)
class Workload:
    """A workload by its name."""

    key: str
    title: str
    run: Callable[[Task], list[Change]]
    transactions: int
    #: Whether the records that it writes were read before, in the same transaction
    warm: bool = False


#: Those that count
HEADLINE = (
    Workload("create-bulk", f"create {BULK}, one transaction", create_bulk, 1),
    Workload("write-same", f"write one value on {BULK}, one transaction", write_same, 1),
    Workload("write-different", f"write {BULK} values, one transaction", write_different, 1),
    Workload("create-singles", f"{SINGLES} creates, a transaction each", create_singles, SINGLES),
    Workload("write-singles", f"{SINGLES} writes, a transaction each", write_singles, SINGLES),
)
#: The writes again, by code that has looked at the records first; shown, but not part of any mean
WARM = tuple(
    Workload(f"{w.key}-warm", f"{w.title}, read before", w.run, w.transactions, warm=True)
    for w in HEADLINE
    if w.run in (write_same, write_different, write_singles)
)
WORKLOADS = {workload.key: workload for workload in (*HEADLINE, *WARM)}
