"""Two transactions that are open at the same time link different tags to one partner."""

import pytest

from tests.e2e.conftest import Run

_PREPARE = """
from psycopg2.errors import SerializationFailure
from unittest.mock import patch
from odoo import Command, SUPERUSER_ID, api
from odoo.service.model import retrying

def begun():
    cr = env.registry.cursor()
    # the transactions share a thread: one that waits for the other would wait for ever
    cr.execute("SET lock_timeout = '10s'")
    return api.Environment(cr, SUPERUSER_ID, {})

def link(env, tag, partner):
    if side == "tag":
        env["res.partner.category"].browse(tag.id).partner_ids = [Command.link(partner.id)]
    else:
        env["res.partner"].browse(partner.id).category_id = [Command.link(tag.id)]

config, model = env["webhook.config"], env["ir.model"]._get("res.partner")
if not config.search([("model_id", "=", model.id)]):
    config.create({"model_id": model.id})
red, blue = env["res.partner.category"].create([{"name": "Red"}, {"name": "Blue"}])
partner, other = env["res.partner"].create([{"name": "Ada"}, {"name": "Grace"}])
env.cr.commit()

def events(*records):
    env.cr.rollback()
    env.cr.execute(
        "SELECT record_id, event, payload::json -> 'category_id', old_values::json"
        " FROM update_webhook WHERE model = 'res.partner' AND record_id = ANY(%s) ORDER BY id",
        [[record.id for record in records]],
    )
    return env.cr.fetchall()
"""

_ONE_AFTER_THE_OTHER = """
first, second = begun(), begun()
second.cr.execute("SELECT 1")  # takes the snapshot
link(first, red, partner)
first.cr.commit()
try:
    link(second, blue, partner)
    second.cr.commit()
    failed = False
except SerializationFailure:
    failed = True
first.cr.close()
second.cr.close()
result = {"failed": failed, "events": events(partner), "red": red.id}
"""

_RETRIED = """
tries = []

def work():
    tries.append(len(tries))
    second.cr.execute("SELECT 1")  # takes the snapshot
    if len(tries) == 1:
        second["res.partner"].browse(other.id).city = "Only in the first try"
        second.cr.flush()
        first = begun()
        link(first, red, partner)
        first.cr.commit()
        first.cr.close()
    link(second, blue, partner)

second = begun()
with patch("odoo.service.model.time.sleep"):
    retrying(work, second)
second.cr.close()
result = {
    "tries": len(tries), "events": events(partner, other)[2:], "partner": partner.id,
    "red": red.id, "blue": blue.id, "tags": partner.category_id.ids,
}
"""


@pytest.mark.parametrize("side", ["tag", "partner"])
def test_the_second_fails(run: Run, side: str) -> None:
    result = run(_PREPARE + _ONE_AFTER_THE_OTHER, side=side)
    assert result["failed"]
    created, *written = result["events"]
    assert created[1] == "create"
    assert [event[1:3] for event in written] == [["write", [result["red"]]]]


@pytest.mark.parametrize("side", ["tag", "partner"])
def test_once_it_is_retried_the_last_event_shows_both(run: Run, side: str) -> None:
    result = run(_PREPARE + _RETRIED, side=side)
    red, blue = result["red"], result["blue"]
    assert result["tries"] == 2
    assert sorted(result["tags"]) == [red, blue]
    # the first try, with its change of another partner, has left nothing behind
    assert result["events"] == [
        [result["partner"], "write", [red], {"category_id": []}],
        [result["partner"], "write", [red, blue], {"category_id": [red]}],
    ]
