from odoo import fields, models


class ResConfigSettings(models.TransientModel):
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
        "large to nothing. The payload says so.",
    )
