import os
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_datetime

from ..wire.signature import decode_secret, generate_secret

AUTH_TYPES = [
    ("none", "None"),
    ("bearer", "Bearer Token"),
    ("api_key", "API Key in a Header"),
    ("basic", "User and Password (Basic)"),
    ("signature", "Signature Only"),
]

_TOKEN_TYPES = ("bearer", "api_key", "basic")

_SECRETS = {"auth_token", "signing_secret", "previous_secret"}


class WebhookSubscriber(models.Model):
    """The credentials of a subscriber: how its endpoint knows that a message is from this database.

    A signing secret that is replaced stays valid for some hours, so that the endpoint can learn the
    new one meanwhile.
    """

    _inherit = "webhook.subscriber"

    auth_type = fields.Selection(
        AUTH_TYPES,
        string="Authentication",
        default="signature",
        required=True,
        help="How the endpoint knows that an event comes from this database. A signature is "
        "sent whenever there is a signing secret.",
    )
    auth_token = fields.Char(
        string="Token",
        groups="base.group_system",
        copy=False,
        help="The bearer token, the API key, or user:password.",
    )
    api_key_header = fields.Char(
        string="Header", default="X-API-Key", help="Name of the header that carries the API key."
    )
    signing_secret = fields.Char(
        groups="base.group_system",
        copy=False,
        default=lambda self: generate_secret(os.urandom(32)),
        help="The endpoint needs the same secret to verify messages (Standard Webhooks: whsec_ "
        "followed by base64).",
    )
    previous_secret = fields.Char(groups="base.group_system", readonly=True, copy=False)
    previous_secret_until = fields.Datetime(
        string="Old Secret Valid Until",
        readonly=True,
        copy=False,
        help="Until this time every message is signed with the old secret, too.",
    )
    rotation_hours = fields.Integer(
        string="Old Secret Valid for (h)",
        default=24,
        help="How long messages are also signed with the old secret after you have replaced it. In "
        "this time, enter the new secret at the endpoint. 0: the old secret ends at once.",
    )

    def write(self, vals):
        """Save; if the signing secret is replaced, keep the old one valid for a while."""
        self._check_values(vals)
        if not _SECRETS.isdisjoint(vals):
            self._lock()
        for subscriber in self:
            rotation = subscriber._rotation(vals)
            super(WebhookSubscriber, subscriber).write({**rotation, **vals})
        return True

    def copy_data(self, default=None):
        """A copy has no secrets."""
        vals_list = super().copy_data(default)
        for vals in vals_list:
            if vals["auth_type"] in _TOKEN_TYPES and not vals.get("auth_token"):
                vals["auth_type"] = "signature"
        return vals_list

    def action_new_secret(self):
        """Replace the signing secret; the old one stays valid for a while."""
        for subscriber in self:
            subscriber.signing_secret = generate_secret(os.urandom(32))

    def _lock(self):
        """Wait for the sender, which updates the same rows.

        If the sender has updated them since this transaction began, this statement fails and Odoo
        repeats the request. Without it the UPDATE would fail, and Odoo would log the UPDATE with
        its secrets. Odoo's ``lock_for_update`` does not wait, and Odoo does not repeat a request
        that it fails.
        """
        self.env.cr.execute(
            SQL(
                "SELECT FROM webhook_subscriber WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
                self.ids,
            ),
            log_exceptions=False,
        )

    def _rotation(self, vals):
        """Return the values that keep the old signing secret when it is replaced.

        :raises UserError: if a still older secret is valid, which the endpoint may be using
        """
        if "previous_secret" in vals or not self._differs(vals, {"signing_secret"}):
            return {}
        current = self.sudo()
        hours = vals.get("rotation_hours", current.rotation_hours)
        if not (vals["signing_secret"] and current.signing_secret and hours):
            return {"previous_secret": False, "previous_secret_until": False}
        now = fields.Datetime.now()
        until = current.previous_secret_until
        if (
            current.previous_secret
            and until
            and until > now
            and current.previous_secret != vals["signing_secret"]  # putting it back loses none
        ):
            raise UserError(
                self.env._(
                    "The endpoint may still use the previous secret, which is valid until "
                    "%(until)s. Wait until then, or set “%(hours)s” to 0 to replace both secrets "
                    "at once.",
                    until=format_datetime(self.env, until),
                    hours=self._fields["rotation_hours"]._description_string(self.env),
                )
            )
        return {
            "previous_secret": current.signing_secret,
            "previous_secret_until": now + timedelta(hours=hours),
        }

    @api.constrains("auth_type", "auth_token", "api_key_header", "signing_secret")
    def _check_credentials(self):
        for subscriber in self.sudo():
            if subscriber.auth_type in _TOKEN_TYPES and not subscriber.auth_token:
                raise ValidationError(self.env._("This kind of authentication needs a token."))
            for value in (subscriber.auth_token, subscriber.api_key_header):
                if value and not (value.isascii() and value.isprintable()):
                    raise ValidationError(
                        self.env._(
                            "Tokens and header names may hold only printable ASCII characters."
                        )
                    )
            if subscriber.auth_type == "api_key" and not subscriber.api_key_header:
                raise ValidationError(self.env._("Name the header that carries the API key."))
            if subscriber.auth_type == "signature" and not subscriber.signing_secret:
                raise ValidationError(self.env._("A signature needs a signing secret."))
            if subscriber.signing_secret:
                try:
                    decode_secret(subscriber.signing_secret)
                except ValueError as error:
                    raise ValidationError(
                        self.env._("The signing secret cannot be used: %s.", error)
                    ) from error
