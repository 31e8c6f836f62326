from odoo import fields, models

FEED_SCOPES = [
    ("all", "All recorded models"),
    ("some", "Only these models"),  # also if the list is empty
]


class ResUsers(models.Model):
    """Restricts the feed of a user to some models."""

    _inherit = "res.users"

    webhook_scope = fields.Selection(
        FEED_SCOPES,
        string="Webhook Feed",
        default="all",
        required=True,
        groups="base.group_erp_manager",
        help="Which models' changes this user, and programs with its API keys, may read.",
    )
    webhook_model_ids = fields.Many2many(
        "ir.model",
        "webhook_user_model_rel",
        string="Models of the Feed",
        groups="base.group_erp_manager",
        help="The user sees the changes of these models only.",
    )

    def _get_invalidation_fields(self):
        return super()._get_invalidation_fields() | {"webhook_scope", "webhook_model_ids"}

    def _webhook_models(self):
        """Return the names of the models whose events this user may see, or None for all models."""
        user = self.sudo()
        return None if user.webhook_scope != "some" else user.webhook_model_ids.mapped("model")

    def _webhook_domain(self):
        """Return a domain for the events that this user may see."""
        allowed = self._webhook_models()
        return [] if allowed is None else [("model", "in", allowed)]
