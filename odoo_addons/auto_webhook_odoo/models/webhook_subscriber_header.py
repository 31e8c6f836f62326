from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..wire.headers import check_header_name, check_header_value
from .webhook_secrets import id_of


class WebhookSubscriberHeader(models.Model):
    """A header that is sent to one subscriber, such as the key of the gateway in front of it."""

    _name = "webhook.subscriber.header"
    _inherit = "webhook.secrets"
    _description = "Webhook Subscriber's Header"
    _webhook_recordable = False
    _order = "id"

    subscriber_id = fields.Many2one(
        "webhook.subscriber", required=True, ondelete="cascade", index=True
    )
    name = fields.Char(required=True, help="Such as X-Gateway-Key.")
    value = fields.Char(
        required=True,
        groups="base.group_system",
        copy=False,
        help="Only system administrators can read it.",
    )

    def unlink(self):
        self.subscriber_id._lock()
        return super().unlink()

    def _check_values(self, vals, missing=False):  # pylint: disable=missing-return
        """Also lock the subscriber, because the headers are written to its row, too."""
        super()._check_values(vals, missing)
        named = self.subscriber_id.browse(id_of(vals.get("subscriber_id")))
        (self.subscriber_id | named)._lock()

    @api.constrains("name", "value")
    def _check_header(self):
        for header in self:
            try:
                check_header_name(header.name)
                check_header_value(header.value)
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "The header %(name)s cannot be sent: %(reason)s.",
                        name=header.name,
                        reason=error,
                    )
                ) from error

    @api.constrains("subscriber_id", "name", "value")
    def _check_headers(self):
        self.subscriber_id._check_headers()
