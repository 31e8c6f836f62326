"""Runs Odoo's own tests with and without every model recorded: the addon must not break any."""

from __future__ import annotations

import re
import subprocess

from devstack import console
from devstack.addon_tests import PYTEST_INI
from devstack.databases import Databases
from devstack.odoo import Odoo
from devstack.postgres import postgres
from devstack.process import free_port, run_folder

#: Those of contacts, users and sales; tours of the web client need a browser and say nothing here.
TESTS = (
    "base/tests/test_res_partner.py",
    "base/tests/test_res_users.py",
    "sale/tests/test_access_rights.py",
    "sale/tests/test_credit_limit.py",
    "sale/tests/test_onchange.py",
    "sale/tests/test_sale_flow.py",
    "sale/tests/test_sale_order.py",
    "sale/tests/test_sale_prices.py",
    "sale/tests/test_sale_refund.py",
    "sale/tests/test_sale_sections.py",
    "sale/tests/test_sale_to_invoice.py",
)
#: They count SQL queries, and recording needs some.
COUNTING = re.compile(r"performance|query_count|queries")

_RECORD_EVERYTHING = """
for name in sorted(env.registry):
    model = env[name]
    kept = model._auto and not model._abstract and not model._transient
    if kept and model._webhook_recordable:
        values = {"model_id": env["ir.model"]._get(name).id}
        env["webhook.config"].create({**values, "priority": "high", "instant_send": True})
env["webhook.subscriber"].create(
    {"name": "Nobody", "url": "http://127.0.0.1:9", "allow_private_network": True}
)
env.cr.commit()
result = env["webhook.config"].search_count([])
"""


def run_odoo_tests() -> int:
    """Run them twice; 0 if nothing fails with recording that passes without."""
    with postgres() as server:
        odoo = Odoo(server)
        without = _failures(odoo, recording=False)
        recorded = _failures(odoo, recording=True)
    for test in sorted(without):
        console.say(f"fails without recording, too: {test}")
    broken = {test for test in recorded - without if not COUNTING.search(test)}
    for test in sorted(recorded - without - broken):
        console.say(f"counts queries: {test}")
    for test in sorted(broken):
        console.say(console.styled(f"✗ fails only while everything is recorded: {test}", "red"))
    if not broken:
        console.say(console.styled("✓ Recording every model breaks none of Odoo's tests.", "green"))
    return 1 if broken else 0


def _failures(odoo: Odoo, *, recording: bool) -> set[str]:
    """Return the names of the tests that fail."""
    name = "recorded" if recording else "plain"
    with Databases(odoo).temporary() as database:
        if recording:
            models = odoo.run_script(database, _RECORD_EVERYTHING)
            console.say(f"Recording {models} models")
        config = odoo.config(database, http_port=free_port(), gevent_port=free_port())
        addons = odoo.source.python_path / "odoo" / "addons"
        log = run_folder() / f"odoo-tests-{name}.log"
        with console.step(f"Odoo's tests, {name}"), log.open("w") as output:
            subprocess.run(
                [odoo.python, "-m", "pytest", "-c", PYTEST_INI, "--rootdir", addons, "--odoo-http",
                 "-q", "--tb=short", "-p", "no:cacheprovider", *(addons / t for t in TESTS)],
                env={**odoo.environment(), "ODOO_RC": str(config)},
                cwd=run_folder(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
    text = log.read_text(errors="replace")
    summary = re.findall(r"^(?:= *)*((?:\d+ [a-z ]+, )*\d+ [a-z ]+ in [\d.]+s)", text, re.MULTILINE)
    console.say(f"  {summary[-1] if summary else 'no result'}   {log}")
    if not summary:
        return {f"no result at all, see {log}"} if recording else set()
    return set(re.findall(r"^(?:SUB)?FAILED.*?(\S+::\S+::\S+)", text, re.MULTILINE))
