from odoo import api, fields, models
from odoo.exceptions import ValidationError

_BATCH = 1000  # deliveries in a transaction


class WebhookReplay(models.Model):
    """Sends many deliveries of one subscriber again, however many there are.

    It sends the deliveries that the user who created the replay may see.
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
        help="The endpoint whose deliveries are sent again.",
    )
    since = fields.Datetime(help="Only changes saved at this time or later. Empty: no limit.")
    until = fields.Datetime(help="Only changes saved before this time. Empty: no limit.")
    dead = fields.Boolean(default=True, help="Deliveries that were given up.")
    cancelled = fields.Boolean(
        help="Deliveries that were cancelled, recorded in a dry run, or confirmed by the receiver "
        "before they were sent."
    )
    delivered = fields.Boolean(
        help="Deliveries that the endpoint has accepted. For endpoints that have lost data; a "
        "BridgeCore receiver ignores these deliveries as duplicates."
    )
    found = fields.Integer(
        string="Deliveries Found",
        compute="_compute_found",
        help="How many deliveries are sent again, not counting those that you may not see.",
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
                    self.env._("Choose at least one of Dead, Cancelled and Delivered.")
                )

    def _states(self):
        return [state for state in ("dead", "cancelled", "delivered") if self[state]]

    def _visible_deliveries(self):
        """Return the model ``webhook.delivery`` with the rights of the creator.

        All companies of the creator count. A replay that is not saved yet has no creator; the
        current user counts then.
        """
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
        """Make the next deliveries due."""
        deliveries = self._visible_deliveries().search(self._domain(), order="id", limit=_BATCH)
        deliveries.sudo()._retry()
        return self._advance(deliveries.ids)
