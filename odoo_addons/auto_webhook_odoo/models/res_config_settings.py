import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .ir_http import split_origins

_ORIGIN = re.compile(r"https?://[^\s/@?#]+|\*")


class ResConfigSettings(models.TransientModel):
    """The addon's settings; each is kept in a system parameter."""

    _inherit = "res.config.settings"

    webhook_archive_days = fields.Integer(
        string="Archive Events After (days)",
        config_parameter="auto_webhook_odoo.archive_days",
        default=30,
        help="Processed events older than this are archived: they are no longer listed by default, "
        "but can still be read.",
    )
    webhook_delete_days = fields.Integer(
        string="Delete Events After (days)",
        config_parameter="auto_webhook_odoo.delete_days",
        default=90,
        help="Processed events older than this are deleted. Events that no receiver has confirmed "
        "are never deleted. 0: keep everything.",
    )
    webhook_payload_limit = fields.Integer(
        string="Largest Payload (bytes)",
        config_parameter="auto_webhook_odoo.payload_limit",
        default=262144,
        help="A larger payload is reduced to the fields that changed, and if that is still too "
        "large, to nothing. The payload says that it was reduced.",
    )
    webhook_warn_hours = fields.Integer(
        string="Warn of Unconfirmed Events After (hours)",
        config_parameter="auto_webhook_odoo.warn_hours",
        default=24,
        help="Webhook managers get an activity if an event has not been confirmed by a receiver "
        "for this long. 0: never.",
    )
    webhook_cors_origins = fields.Char(
        string="Web Pages That May Read the Feed",
        config_parameter="auto_webhook_odoo.cors_origins",
        help="Origins such as https://app.example.com, separated by commas. Needed only by web "
        "apps that call the feed from the browser. Empty: none. *: all.",
    )

    @api.constrains("webhook_cors_origins")
    def _check_webhook_cors_origins(self):
        for settings in self:
            for origin in split_origins(settings.webhook_cors_origins or ""):
                if not _ORIGIN.fullmatch(origin):
                    raise ValidationError(
                        self.env._(
                            "%s is no origin. Enter scheme and host without a path, such as "
                            "https://app.example.com",
                            origin,
                        )
                    )
