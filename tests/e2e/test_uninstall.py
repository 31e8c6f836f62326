"""What is left when the addon has been used and is uninstalled."""

from devstack.databases import ADDON, BASE_MODULES, Databases
from devstack.odoo import Odoo
from devstack.postgres import postgres

_INVENTORY = """
tables = {
    "functions": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "relations": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    "columns": "SELECT table_name || '.' || column_name FROM information_schema.columns"
               " WHERE table_schema = 'public'",
    "constraints": "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "models": "SELECT model FROM ir_model",
    "fields": "SELECT model || '.' || name FROM ir_model_fields",
    "groups": "SELECT name->>'en_US' FROM res_groups",
    "crons": "SELECT cron_name FROM ir_cron",
    "parameters": "SELECT key FROM ir_config_parameter",
    "menus": "SELECT name->>'en_US' FROM ir_ui_menu",
    "views": "SELECT name FROM ir_ui_view",
    # those that mail makes for every model with a chatter stay until mail is updated
    "names": "SELECT module || '.' || name FROM ir_model_data WHERE module = 'auto_webhook_odoo'",
}
result = {}
for what, query in tables.items():
    env.cr.execute(query)
    result[what] = sorted(name for name, in env.cr.fetchall() if name)
"""

_USE = """
from odoo.addons.auto_webhook_odoo.postgres.transactions import read_committed
from odoo.addons.auto_webhook_odoo.wire.event import EventName

models = ["res.partner", "sale.order", "res.users", "res.company", "ir.model.data", "ir.ui.view"]
env["webhook.config"].create([
    {"model_id": env["ir.model"]._get_id(name), "priority": "high", "instant_send": True}
    for name in models
])
env["webhook.subscriber"].create({"name": "Endpoint", "url": "http://127.0.0.1:9/"})
partner = env["res.partner"].create({"name": "Ada"})
env.cr.commit()
partner.city = "Rome"
env.cr.commit()
page = env["update.webhook"].pull_events()
with read_committed(env(user=env.ref("base.user_admin"))) as receiver:
    event = EventName(page["events"][0]["id"])
    receiver["update.webhook"]._mark_processed([event], {})
env["ir.config_parameter"].set_param("auto_webhook_odoo.payload_limit", "1000")
env.cr.commit()
result = {"count": page["count"]}
"""

_UNINSTALL = """
env["ir.module.module"].search([("name", "=", addon)]).button_immediate_uninstall()
result = {}
"""


def test_nothing_is_left_behind() -> None:
    with postgres() as server:
        odoo = Odoo(server)
        databases = Databases(odoo)
        with databases.fresh(("mail",), BASE_MODULES) as without:
            expected = odoo.run_script(without, _INVENTORY)
        with databases.temporary() as database:
            installed = odoo.run_script(database, _INVENTORY)
            assert installed["functions"] != expected["functions"]
            assert odoo.run_script(database, _USE)["count"] > 0
            odoo.run_script(database, _UNINSTALL, addon=ADDON)
            found = odoo.run_script(database, _INVENTORY)
    left = {what: sorted(set(names) - set(expected[what])) for what, names in found.items()}
    missing = {what: sorted(set(names) - set(found[what])) for what, names in expected.items()}
    assert {what: names for what, names in left.items() if names} == {}
    assert {what: names for what, names in missing.items() if names} == {}
