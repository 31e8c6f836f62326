"""Which events a consumer may see: those of the models and the companies of its user."""

from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import SQL

FEED_SCOPES = [
    ("all", "All recorded models"),
    ("some", "Only these models"),  # also if none is left of them: a restriction does not end so
]


class ResUsers(models.Model):
    _inherit = "res.users"

    webhook_scope = fields.Selection(
        FEED_SCOPES,
        string="Webhook Feed",
        default="all",
        required=True,
        groups="base.group_erp_manager",
        help="Whose changes this user, and programs with its API keys, may read.",
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
        """Return the names of the models whose events this user may see; None for all."""
        user = self.sudo()
        return None if user.webhook_scope != "some" else user.webhook_model_ids.mapped("model")

    def _webhook_domain(self):
        """Return the same as a domain on events."""
        allowed = self._webhook_models()
        return [] if allowed is None else [("model", "in", allowed)]


class UpdateWebhook(models.Model):
    _inherit = "update.webhook"  # pylint: disable=consider-merging-classes-inherited

    @api.model
    def _visible(self, table):
        """Return the SQL condition on events that the current user may see; the superuser, all."""
        if self.env.su:
            return SQL("TRUE")
        conditions = [
            SQL(
                "(%(company)s IS NULL OR %(company)s = ANY(%(companies)s))",
                company=SQL.identifier(table, "company_id"),
                companies=self.env.user.company_ids.ids,
            )
        ]
        allowed = self.env.user._webhook_models()
        if allowed is not None:
            conditions.append(SQL("%s = ANY(%s)", SQL.identifier(table, "model"), allowed))
        return SQL(" AND ").join(conditions)

    @api.model
    def _check_models(self, names):
        """Refuse models that cannot be asked for, because an empty answer would be misleading.

        :raises AccessError: if the user may not see them
        :raises ValidationError: if there is no such model
        """
        allowed = self.env.user._webhook_models()
        for name in names or ():
            if allowed is not None and name not in allowed:
                raise AccessError(self.env._("This user may not read the changes of %s.", name))
            if name not in self.env and not self.env["webhook.tally"]._knows_model(name):
                raise ValidationError(self.env._("There is no model %s.", name))
