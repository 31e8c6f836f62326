from odoo import api, fields, models
from odoo.fields import Domain

from ..wire.visibility import ALL_COMPANIES

#: The groups whose users read the feed, and those who may also confirm events.
_GROUPS = ("auto_webhook_odoo.group_webhook_consumer", "auto_webhook_odoo.group_webhook_receiver")

FEED_SCOPES = [
    ("all", "All recorded models"),
    ("some", "Only these models"),  # also if the list is empty
]

_JOINING = {"group_ids", "active"}
_SCOPE = {"company_ids", "webhook_scope", "webhook_model_ids"}


class ResUsers(models.Model):
    """Restricts the feed of a user to some models and records, and makes receivers consumers.

    A user who *follows record rules* sees in the feed what the user sees in Odoo, see
    ``rights.redaction``.
    """

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
    webhook_follow_rules = fields.Boolean(
        string="Follow Record Rules",
        groups="base.group_erp_manager",
        help="The feed shows this user, and programs with its API keys, exactly the records and "
        "fields that the user may read in Odoo now. A record that the user may no longer read is "
        "told as gone. Without this, the feed shows the user all records of its companies. It is "
        "switched on for everybody who joins the group Webhook consumer, and is meant for mobile "
        "apps. It leaves no other way to the events: the lists of events and deliveries in Odoo, "
        "and Odoo's own API, show this user none.",
    )

    @api.constrains("webhook_follow_rules")
    def _check_webhook_receiver(self):
        """Refuse users of pushed endpoints: what is pushed is not reduced by record rules."""
        self.env["webhook.subscriber"].sudo().with_context(active_test=False).search(
            [("receiver_user_id", "in", self.ids)]
        )._check_receiver_user()

    @api.onchange("group_ids")
    def _onchange_webhook_group(self):
        """Show in the form what a new user of the group gets: the form saves what it shows."""
        if self._origin not in self._webhook_readers():
            self.webhook_follow_rules = self._webhook_only_reads()

    @api.model_create_multi
    def create(self, vals_list):
        users = super().create(vals_list)
        for user, vals in zip(users, vals_list, strict=True):
            if "webhook_follow_rules" not in vals:
                user._webhook_welcome()
        self.env["webhook.consumer"]._note_members()
        return users

    def write(self, vals):
        with_groups = "group_ids" in vals and "webhook_follow_rules" not in vals
        strangers = self - self._webhook_readers() if with_groups else self.browse()
        result = super().write(vals)
        strangers._webhook_welcome()
        consumers = self.env["webhook.consumer"]
        if vals.keys() & _JOINING:
            consumers._note_members()
        if vals.keys() & (_JOINING | _SCOPE) and consumers._of_user(self):
            consumers._release()
        return result

    def _get_invalidation_fields(self):
        return super()._get_invalidation_fields() | {
            *("webhook_scope", "webhook_model_ids", "webhook_follow_rules"),
        }

    @api.model
    def _webhook_readers(self):
        """Return the users in the group *Webhook consumer*, by whatever group."""
        if not (group := self.env.ref(_GROUPS[0], raise_if_not_found=False)):
            return self.browse()  # the addon is being installed
        users = self.sudo().with_context(active_test=False)
        return users.search([("all_group_ids", "in", group.ids)]).sudo(False)

    def _webhook_welcome(self):
        """Have those of these new users follow record rules who may read the feed only."""
        self.sudo().filtered(lambda user: user._webhook_only_reads()).webhook_follow_rules = True

    def _webhook_only_reads(self):
        """Return whether this user may read the feed, and confirms nothing."""
        reads, confirms = (self.env.ref(group, raise_if_not_found=False) for group in _GROUPS)
        groups = self.sudo().all_group_ids._origin
        return bool(reads and reads in groups and confirms not in groups)

    def _webhook_follows_rules(self):
        """Return whether the feed shows this user only what it may read in Odoo."""
        return self.sudo().webhook_follow_rules

    def _webhook_models(self):
        """Return the names of the models whose events this user may see, or None for all models."""
        user = self.sudo()
        chosen = user.webhook_model_ids.mapped("model") if user.webhook_scope == "some" else None
        if not user.webhook_follow_rules:
            return chosen
        readable = self.env["ir.model.access"].with_user(user)._get_allowed_models("read")
        return sorted(
            name for name in readable if name in self.env and (chosen is None or name in chosen)
        )

    def _webhook_company_domain(self, company_ids):
        """Return a domain for the events that show something of a record to these companies."""
        return Domain("company_ids", "in", [*company_ids, ALL_COMPANIES]) | Domain(
            "company_ids", "=", False
        ) & Domain("company_id", "in", [*company_ids, False])

    def _webhook_domain(self):
        """Return a domain for the events that this user may see in Odoo, as they are stored.

        A user who follows record rules sees none, because no domain could hide values in them.
        """
        if self._webhook_follows_rules():
            return [(0, "=", 1)]
        allowed = self._webhook_models()
        return [] if allowed is None else [("model", "in", allowed)]


class ResGroups(models.Model):
    """Makes new members of the group *Webhook receiver* consumers, and lets others follow rules."""

    _inherit = "res.groups"

    def write(self, vals):
        with_members = vals.keys() & {"user_ids", "implied_ids", "implied_by_ids"}
        users = self.env["res.users"]
        known = users._webhook_readers() if with_members else users
        result = super().write(vals)
        if with_members:
            (users._webhook_readers() - known)._webhook_welcome()
            self.env["webhook.consumer"]._note_members()
            self.env["webhook.consumer"]._release()
        return result
