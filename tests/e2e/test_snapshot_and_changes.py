"""A snapshot and a change of one record at the same time, each in a transaction of its own."""

from tests.e2e.conftest import Run

_PREPARE = """
import threading, time
from odoo import SUPERUSER_ID, api

config, model = env["webhook.config"], env["ir.model"]._get("res.partner")
config = config.search([("model_id", "=", model.id)]) or config.create({"model_id": model.id})
partner = env["res.partner"].create({"name": "Ada", "city": "Before"})
env.cr.commit()
snapshot = env["webhook.snapshot"].create(
    {"config_id": config.id, "domain": str([("id", "=", partner.id)])}
)
env.cr.commit()

def begun():
    return api.Environment(env.registry.cursor(), SUPERUSER_ID, {})

def in_thread(work):
    failures = []
    def run():
        try:
            with env.registry.cursor() as cr:
                work(api.Environment(cr, SUPERUSER_ID, {}))
        except Exception as error:
            failures.append(repr(error))
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, failures

def wait_for_a_lock():
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        env.cr.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        if env.cr.fetchone()[0]:
            return True
        time.sleep(0.01)
    return False

def events():
    env.cr.rollback()
    env.cr.execute(
        "SELECT event, payload::json ->> 'city', payload::json -> '_metadata' ->> 'snapshot'"
        " FROM update_webhook WHERE model = 'res.partner' AND record_id = %s ORDER BY id",
        [partner.id],
    )
    return env.cr.fetchall()
"""

_CHANGE_FIRST = """
writer = begun()
writer["res.partner"].browse(partner.id).city = "After"
writer.cr.flush()  # the row is locked, its event is not written yet
thread, failures = in_thread(lambda env: env["webhook.snapshot"]._cron_run())
waited = wait_for_a_lock()
writer.cr.commit()
writer.cr.close()
thread.join(20)
result = {"waited": waited, "failures": failures, "events": events(), "state": snapshot.state}
"""

_SNAPSHOT_FIRST = """
reader = begun()
reader["webhook.snapshot"].browse(snapshot.id)._run_batch()
def change(env):
    env["res.partner"].browse(partner.id).city = "After"
thread, failures = in_thread(change)
waited = wait_for_a_lock()
reader.cr.commit()
reader.cr.close()
thread.join(20)
result = {"waited": waited, "failures": failures, "events": events()}
"""


def test_a_snapshot_waits_for_a_change_and_sends_what_it_left(run: Run) -> None:
    result = run(_PREPARE + _CHANGE_FIRST)
    assert result["waited"]
    assert result["failures"] == []
    assert result["events"] == [
        ["create", "Before", None],
        ["write", "After", None],
        ["create", "After", "true"],
    ]
    assert result["state"] == "done"


def test_a_change_waits_for_a_snapshot_and_comes_after_it(run: Run) -> None:
    result = run(_PREPARE + _SNAPSHOT_FIRST)
    assert result["waited"]
    assert result["failures"] == []
    assert result["events"] == [
        ["create", "Before", None],
        ["create", "Before", "true"],
        ["write", "After", None],
    ]
