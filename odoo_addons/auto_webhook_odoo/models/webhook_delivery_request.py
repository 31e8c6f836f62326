from odoo import models
from odoo.tools import SQL

from ..wire.event import EVENT_NAME, EVENT_TABLES, event_json
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
        receiver = self.subscriber_id.receiver_user_id
        ((name, event),) = self.env.execute_query(
            SQL(
                "SELECT %s, %s FROM %s CROSS JOIN LATERAL (SELECT %s AS gone) reader"
                " WHERE e.id = %s",
                SQL(EVENT_NAME),  # pylint: disable=sql-injection
                SQL(event_json("event_id", "reader.gone")),  # pylint: disable=sql-injection
                SQL(EVENT_TABLES),  # pylint: disable=sql-injection
                self.env["update.webhook"]._gone("e", receiver) if receiver else SQL("FALSE"),
                self.event_id.id,
            )
        )
        source = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        return (self.subscriber_id, *single(source, name, event, self.replayed))
