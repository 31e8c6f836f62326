"""Who watches, and how to tell that the watcher has seen everything.

`setup` and `check` run inside Odoo. A check raises `UnrecordedError`: a recorder that forgets is
not fast.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.capture.workloads import FIELD, MODEL, Change


class UnrecordedError(Exception):
    """A recorder has not written what a workload did."""


def expect(what: str, found: object, wanted: object) -> None:
    """Raise unless both are equal."""
    if found != wanted:
        raise UnrecordedError(f"{what}: expected {wanted!r}, found {found!r}")


@dataclass(frozen=True)
class Variant:
    """Nobody watches."""

    key: str
    title: str
    modules: tuple[str, ...] = ()

    def setup(self, env: Any) -> None:
        """Switch the recording on."""

    def check(self, cr: Any, changes: Sequence[Change]) -> None:
        """Raise unless exactly these changes have been recorded since the last cleaning."""


class Ours(Variant):
    """This addon with its default settings."""

    def setup(self, env: Any) -> None:
        _track(env, MODEL)

    def check(self, cr: Any, changes: Sequence[Change]) -> None:
        cr.execute(
            "SELECT model, record_id, event, payload, changed_fields, old_values"
            "  FROM update_webhook"
        )
        rows = cr.fetchall()
        found = {(model, record_id, event): values for model, record_id, event, *values in rows}
        expect("Number of events", len(rows), len(changes))
        expect("Events", set(found), {(MODEL, c.record_id, c.event) for c in changes})
        for change in changes:
            values = found[MODEL, change.record_id, change.event]
            payload, changed, old = map(_loaded, values)
            expect("Value in the payload", payload[FIELD], change.new)
            if change.event == "write":
                expect("Changed fields", changed, [FIELD])
                expect("Old values", old, {FIELD: change.old})


class Beside(Variant):
    """This addon records another model, and nothing of the one that is changed."""

    def setup(self, env: Any) -> None:
        _track(env, "res.country")
        env.cr.commit()
        env.ref("base.us").write({"name": "United States of America"})
        env.cr.commit()
        env.cr.execute("DELETE FROM update_webhook RETURNING model, event")
        expect("Events of the tracked model", env.cr.fetchall(), [("res.country", "write")])

    def check(self, cr: Any, changes: Sequence[Change]) -> None:
        cr.execute("SELECT count(*) FROM update_webhook")
        expect("Number of events", cr.fetchone(), (0,))


class QueueJob(Variant):
    """A job for every changed record, as one would send webhooks with queue_job."""

    def setup(self, env: Any) -> None:
        # Recording is on as soon as the addon is there, so there are jobs for the first contacts.
        env.cr.execute("DELETE FROM queue_job")

    def check(self, cr: Any, changes: Sequence[Change]) -> None:
        cr.execute("SELECT method_name, records, kwargs FROM queue_job")
        found = []
        for method, records, kwargs in cr.fetchall():
            ids, values = _loaded(records)["ids"], _loaded(kwargs)
            found.append((method, tuple(ids), values["event"], values["values"][FIELD]))
        wanted = [("bench_send", (c.record_id,), c.event, c.new) for c in changes]
        expect("Number of jobs", len(found), len(wanted))
        expect("Jobs", set(found), set(wanted))


class Auditlog(Variant):
    """A rule of the cheaper kind, without old values."""

    def setup(self, env: Any) -> None:
        rule = env["auditlog.rule"].create(
            {
                "name": MODEL,
                "model_id": env["ir.model"]._get_id(MODEL),
                "log_type": "fast",
                "log_create": True,
                "log_write": True,
                "log_unlink": True,
                "log_read": False,
                "log_export_data": False,
            }
        )
        rule.set_to_confirmed()

    def check(self, cr: Any, changes: Sequence[Change]) -> None:
        cr.execute(
            """
            SELECT log.res_id, log.method, line.new_value
              FROM auditlog_log log
              LEFT JOIN auditlog_log_line line
                     ON line.log_id = log.id AND line.field_name = %s
            """,
            [FIELD],
        )
        found = cr.fetchall()
        # It also logs what creating a contact writes on it, so there may be more than these.
        missing = {(c.record_id, c.event, c.new) for c in changes}.difference(found)
        expect("Missing logs", missing, set())
        expect("Records", {record_id for record_id, *_ in found}, {c.record_id for c in changes})


def _track(env: Any, model: str) -> None:
    env["webhook.config"].create(
        {"model_id": env["ir.model"]._get_id(model), "include_old_values": True}
    )


def _loaded(value: Any) -> Any:
    """A JSON column's value; the driver has decoded it already if the column is jsonb."""
    return json.loads(value) if isinstance(value, str) else value


UNTRACKED = Variant("untracked", "untracked")
#: The same thing once more: how far apart two equal runs are on this machine today
AGAIN = Variant("again", "untracked again")
OURS = Ours("ours", "this addon", ("auto_webhook_odoo",))
BESIDE = Beside("beside", "others tracked", ("auto_webhook_odoo",))
QUEUE_JOB = QueueJob("queue_job", "queue_job", ("queue_job", "bench_queue_job"))
AUDITLOG = Auditlog("auditlog", "auditlog (fast)", ("auditlog",))

VARIANTS = {v.key: v for v in (UNTRACKED, OURS, QUEUE_JOB, AUDITLOG, BESIDE, AGAIN)}
PEERS = (QUEUE_JOB, AUDITLOG)
