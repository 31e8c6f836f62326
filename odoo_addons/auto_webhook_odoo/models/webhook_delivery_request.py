from odoo import api, models

from ..delivery.claiming import EVENTS_AS_SENT
from ..wire.message import single


class WebhookDelivery(models.Model):
    """The request of a delivery, rebuilt from its event and from the present settings."""

    _name = "webhook.delivery"
    _inherit = ["webhook.delivery", "webhook.request"]

    def action_show_request(self):
        """Show the request that brings this delivery to the endpoint."""
        self.ensure_one()
        self.check_access("read")
        view = self.env.ref("auto_webhook_odoo.webhook_delivery_view_request")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Request"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(view.id, "form")],
            "target": "new",
            "context": {"dialog_size": "extra-large"},
        }

    def _request(self):
        self.event_id.check_access("read")
        name, event = self._as_sent(self.subscriber_id.id, self.event_id.ids)[self.event_id.id]
        source = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        return (self.subscriber_id, *single(source, name, event, self.replayed))

    @api.model
    def _as_sent(self, subscriber_id, event_ids):
        """Return ``{id: (name, JSON text)}`` of events as a subscriber's endpoint gets them."""
        self.env.cr.execute(EVENTS_AS_SENT, [subscriber_id, list(event_ids)])
        return {event_id: (name, text) for event_id, name, text in self.env.cr.fetchall()}
