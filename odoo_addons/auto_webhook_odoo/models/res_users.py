from odoo import api, fields, models

FEED_SCOPES = [
    ("all", "All recorded models"),
    ("some", "Only these models"),  # also if the list is empty
]

_JOINING = {"group_ids", "active"}
_SCOPE = {"company_ids", "webhook_scope", "webhook_model_ids"}


class ResUsers(models.Model):
    """Restricts the feed of a user to some models, and makes receivers' users consumers."""

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

    @api.model_create_multi
    def create(self, vals_list):
        users = super().create(vals_list)
        self.env["webhook.consumer"]._note_members()
        return users

    def write(self, vals):
        result = super().write(vals)
        consumers = self.env["webhook.consumer"]
        if vals.keys() & _JOINING:
            consumers._note_members()
        if vals.keys() & (_JOINING | _SCOPE) and consumers._of_user(self):
            consumers._release()
        return result

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


class ResGroups(models.Model):
    """Makes new members of the group *Webhook receiver* consumers."""

    _inherit = "res.groups"

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & {"user_ids", "implied_ids", "implied_by_ids"}:
            self.env["webhook.consumer"]._note_members()
            self.env["webhook.consumer"]._release()
        return result
