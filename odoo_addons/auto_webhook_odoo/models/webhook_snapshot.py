from ast import literal_eval

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import SQL

from ..capture.events import EventWriter
from ..capture.snapshots import snapshots

_BATCH = 500  # records in a transaction; users who change one of them wait for it


class WebhookSnapshot(models.Model):
    """Sends existing records as ``create`` events, so that a new consumer starts complete."""

    _name = "webhook.snapshot"
    _inherit = "webhook.job"
    _description = "Webhook Snapshot"
    _webhook_recordable = False
    _webhook_cron = "auto_webhook_odoo.cron_snapshot"
    _rec_name = "config_id"

    config_id = fields.Many2one(
        "webhook.config",
        string="Recorded Model",
        required=True,
        ondelete="cascade",
        help="The model whose records are sent. They are sent in the form that is configured for "
        "its changes.",
    )
    model_name = fields.Char(related="config_id.model_name")
    domain = fields.Char(
        string="Records",
        default="[]",
        help="Which records are sent. Empty: all, including archived ones.",
    )

    @api.constrains("config_id", "domain")
    def _check_domain(self):
        for snapshot in self:
            snapshot.config_id._check_domain(snapshot.domain)

    def _run_batch(self):
        """Record ``create`` events for the next records.

        The records are locked before they are read. The snapshot waits for a transaction that is
        changing one of them, and a transaction that changes one later writes its event later. So a
        snapshot never shows older values than the events before it in the feed.
        """
        tracking = self.env["webhook.config"]._tracking(self.model_name)
        if tracking is None:  # the model is no longer recorded
            self.state = "cancelled"
            return 0
        env = api.Environment(self.env.cr, SUPERUSER_ID, {"active_test": False})
        model = env[self.model_name]
        query = model._search(literal_eval(self.domain or "[]"), order="id", limit=_BATCH)
        query.add_where(SQL("%s > %s", SQL.identifier(query.table, "id"), self.last_id))
        env.cr.execute(
            SQL(
                "SELECT id FROM %(table)s WHERE id IN (%(ids)s) ORDER BY id FOR SHARE",
                table=SQL.identifier(model._table),
                ids=query.select(),
            )
        )
        ids = [record_id for (record_id,) in env.cr.fetchall()]
        writer = EventWriter(env)
        writer.add(model, tracking, snapshots(env.cr, tracking, ids))
        writer.flush([])
        return self._advance(ids)
