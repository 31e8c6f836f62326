from odoo import SUPERUSER_ID, api

from odoo.addons.auto_webhook_odoo.capture.columns import read_rows, select_by_ids
from odoo.addons.auto_webhook_odoo.capture.ownership import Audience, find_owners, is_told_by


def migrate(cr, version):
    """Say who sees the events of records whose companies do not stand in ``company_id``.

    Such events were shown to everybody. Those of records that are there no more are shown to
    nobody, because nothing tells where these belonged. Runs when all modules are loaded.
    """
    env = api.Environment(cr, SUPERUSER_ID, {"active_test": False})
    cr.execute(
        "SELECT model, array_agg(DISTINCT record_id) FROM update_webhook"
        " WHERE company_id IS NULL AND company_ids IS NULL GROUP BY model"
    )
    for name, ids in cr.fetchall():
        owners = find_owners(env[name]) if name in env else ()
        if all(owner.name == "company_id" for owner in owners):
            continue
        position = {owner.name: place for place, owner in enumerate(owners)}
        rows = read_rows(cr, select_by_ids(env[name], [*position]), ids)
        audience = Audience(owners, position, env["res.company"]._webhook_branches())
        seen = dict(zip(rows, audience.of(list(rows.values())), strict=True))
        for record_id in ids:
            companies = seen.get(record_id, frozenset())
            if not is_told_by(None, companies):
                cr.execute(
                    "UPDATE update_webhook SET company_ids = %s::int[]"
                    " WHERE model = %s AND record_id = %s AND company_id IS NULL",
                    [sorted(companies), name, record_id],
                )
    env["webhook.tally"]._count_anew()
