from ast import literal_eval

from odoo import SUPERUSER_ID, api, fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from ..capture.columns import read_rows
from ..capture.events import EventWriter, NetChange

STATES = [
    ("running", "Running"),  # goes on with the next run of the cron
    ("done", "Done"),  # every record was sent
    ("cancelled", "Cancelled"),  # stopped by an administrator
]

_BATCH = 500  # records at once; users who change them wait as long


class WebhookSnapshot(models.Model):
    """Sends records that exist as ``create`` events, so that a new consumer can start complete."""

    _name = "webhook.snapshot"
    _description = "Webhook Snapshot"
    _webhook_recordable = False
    _order = "id DESC"
    _rec_name = "config_id"

    config_id = fields.Many2one(
        "webhook.config",
        string="Recorded Model",
        required=True,
        ondelete="cascade",
        help="The model whose records are sent. They are sent as it is configured for changes.",
    )
    model_name = fields.Char(related="config_id.model_name")
    domain = fields.Char(
        string="Records",
        default="[]",
        help="Which records are sent. Empty: all, archived ones too.",
    )
    state = fields.Selection(STATES, default="running", required=True, readonly=True)
    last_record_id = fields.Integer(readonly=True, aggregator=None)
    sent = fields.Integer(string="Records Sent", readonly=True)

    @api.constrains("config_id", "domain")
    def _check_domain(self):
        for snapshot in self:
            snapshot.config_id._check_domain(snapshot.domain)

    @api.model_create_multi
    def create(self, vals_list):
        snapshots = super().create(vals_list)
        self.env.ref("auto_webhook_odoo.cron_snapshot")._trigger()
        return snapshots

    def action_cancel(self):
        """Stop. What was sent stays sent."""
        self.filtered(lambda snapshot: snapshot.state == "running").state = "cancelled"

    def action_resume(self):
        """Go on where a cancelled snapshot stopped."""
        self.filtered(lambda snapshot: snapshot.state == "cancelled").state = "running"
        self.env.ref("auto_webhook_odoo.cron_snapshot")._trigger()

    @api.model
    def _cron_send(self):
        """Send the next batches until the time of the cron is over; each is committed."""
        cron = self.env["ir.cron"]
        while snapshot := self.search([("state", "=", "running")], order="id", limit=1):
            try:
                sent = snapshot._send_batch()
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                # a record was changed while its lock was waited for: read it again, as it is now
                self.env.cr.rollback()
                continue
            left = self.search_count([("state", "=", "running")])
            if not cron._commit_progress(sent, remaining=left):
                break

    def _send_batch(self):
        """Send the next records; return how many.

        They are locked while they are read. A transaction that is changing one is waited for, and
        one that changes it later writes its event later: a snapshot never overtakes a change.
        """
        tracking = self.env["webhook.config"]._tracking(self.model_name)
        if tracking is None:  # no longer recorded
            self.state = "cancelled"
            return 0
        env = api.Environment(self.env.cr, SUPERUSER_ID, {"active_test": False})
        model = env[self.model_name]
        query = model._search(literal_eval(self.domain or "[]"), order="id", limit=_BATCH)
        query.add_where(SQL("%s > %s", SQL.identifier(query.table, "id"), self.last_record_id))
        env.cr.execute(
            SQL(
                "SELECT id FROM %(table)s WHERE id IN (%(ids)s) ORDER BY id FOR SHARE",
                table=SQL.identifier(model._table),
                ids=query.select(),
            )
        )
        ids = [record_id for (record_id,) in env.cr.fetchall()]
        if not ids:
            self.state = "done"
            return 0
        rows = read_rows(env.cr, tracking.query, ids)
        changes = [
            NetChange("create", record_id, rows[record_id], {}, metadata={"snapshot": True})
            for record_id in ids
        ]
        writer = EventWriter(env)
        writer.add(model, tracking, changes)
        writer.flush([])
        self.write({"last_record_id": ids[-1], "sent": self.sent + len(ids)})
        return len(ids)
