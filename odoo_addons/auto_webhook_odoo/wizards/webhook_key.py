from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.base.models.res_users import check_identity

from ..models.ir_http import API_KEY_SCOPE


class WebhookKey(models.TransientModel):
    """Makes an API key that opens the feed and nothing else.

    Keys that users make in their preferences open all of Odoo, and last three months at most.
    """

    _name = "webhook.key"
    _inherit = "res.users.apikeys.description"
    _description = "New Key for the Webhook Feed"

    user_id = fields.Many2one(
        "res.users",
        required=True,
        ondelete="cascade",
        help="With the key, a program reads the feed as this user.",
    )
    duration = fields.Selection(default="365")

    @api.constrains("user_id")
    def _check_user(self):
        for key in self:
            if not key.user_id.has_group("auto_webhook_odoo.group_webhook_consumer"):
                raise UserError(
                    self.env._(
                        "%s may not read the feed, so a key would be of no use. First add this "
                        "user to the group “Webhook receiver”, or to “Webhook consumer” if its "
                        "program only reads.",
                        key.user_id.name,
                    )
                )

    @check_identity
    def make_key(self):
        """Make the key and show it. Odoo stores only a hash, so it is shown once."""
        return self._make_key()

    def _make_key(self):
        self.check_access("write")
        keys = self.env["res.users.apikeys"].with_user(self.user_id).sudo()
        key = keys._generate(API_KEY_SCOPE, self.name, self.expiration_date)
        self.unlink()
        return {
            "type": "ir.actions.act_window",
            "res_model": "res.users.apikeys.show",
            "name": self.env._("Key Ready"),
            "views": [(self.env.ref("auto_webhook_odoo.webhook_key_view_shown").id, "form")],
            "target": "new",
            "context": {"default_key": key},
        }
