from odoo import api, fields, models
from odoo.exceptions import ValidationError

_BATCH = 1000  # deliveries at once


class WebhookReplay(models.Model):
    """Has many deliveries of one subscriber sent again, however many there are.

    It takes those that whoever created it may see.
    """

    _name = "webhook.replay"
    _inherit = "webhook.job"
    _description = "Webhook Replay"
    _webhook_recordable = False
    _webhook_cron = "auto_webhook_odoo.cron_replay"
    _rec_name = "subscriber_id"

    subscriber_id = fields.Many2one(
        "webhook.subscriber",
        required=True,
        ondelete="cascade",
        help="Whose deliveries are sent again.",
    )
    since = fields.Datetime(help="Only events of changes that were saved since. Empty: all.")
    until = fields.Datetime(help="Only events of changes that were saved before. Empty: all.")
    dead = fields.Boolean(default=True, help="Deliveries that were given up.")
    cancelled = fields.Boolean(
        help="Deliveries that were cancelled or recorded in a dry run, and never sent."
    )
    delivered = fields.Boolean(
        help="Deliveries that the endpoint has accepted. A BridgeCore receiver takes them for "
        "duplicates; this is for endpoints that have lost something."
    )
    found = fields.Integer(
        string="Deliveries Found",
        compute="_compute_found",
        help="How many are sent again. Those of events that you may not see are left out.",
    )

    @api.depends("subscriber_id", "since", "until", "dead", "cancelled", "delivered")
    def _compute_found(self):
        for replay in self:
            replay.found = replay._visible_deliveries().search_count(replay._domain())

    @api.constrains("dead", "cancelled", "delivered")
    def _check_states(self):
        for replay in self:
            if not replay._states():
                raise ValidationError(
                    self.env._("Choose at least one of dead, cancelled and delivered.")
                )

    def _states(self):
        return [state for state in ("dead", "cancelled", "delivered") if self[state]]

    def _visible_deliveries(self):
        """Return the model as its creator sees it, in whichever company; a new one has none yet."""
        user = self.create_uid or self.env.user
        deliveries = self.env["webhook.delivery"].with_user(user)
        return deliveries.with_context(allowed_company_ids=list(user._get_company_ids()))

    def _domain(self):
        domain = [
            ("subscriber_id", "=", self.subscriber_id.id),
            ("state", "in", self._states()),
            ("id", ">", self.last_id),
        ]
        if self.since:
            domain.append(("event_id.timestamp", ">=", self.since))
        if self.until:
            domain.append(("event_id.timestamp", "<", self.until))
        return domain

    def _run_batch(self):
        deliveries = self._visible_deliveries().search(self._domain(), order="id", limit=_BATCH)
        deliveries.sudo()._retry()
        return self._advance(deliveries.ids)
