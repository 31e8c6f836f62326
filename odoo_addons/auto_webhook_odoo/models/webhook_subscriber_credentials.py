import os
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_datetime

from ..wire.headers import MOST_BYTES, MOST_HEADERS, check_header_name
from ..wire.signature import decode_secret, generate_secret

AUTH_TYPES = [
    ("none", "None"),
    ("bearer", "Bearer Token"),
    ("api_key", "API Key in a Header"),
    ("basic", "User and Password (Basic)"),
    ("oauth2", "OAuth 2.0 (Client Credentials)"),
    ("signature", "Signature Only"),
]

OAUTH_CLIENT_AUTHS = [
    ("basic", "In the Authorization Header (Basic)"),
    ("body", "In the Body"),
]

#: ``{authentication: fields without which it cannot be used}``
_NEEDED = {
    "bearer": ("auth_token",),
    "api_key": ("auth_token", "api_key_header"),
    "basic": ("auth_token",),
    "oauth2": ("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
    "signature": ("signing_secret",),
}


class WebhookSubscriber(models.Model):
    """The credentials of a subscriber: how its endpoint knows that a message is from this database.

    A signing secret that is replaced stays valid for some hours, so that the endpoint can learn the
    new one meanwhile.
    """

    _inherit = "webhook.subscriber"

    # A URL may hold a token in its path or query.
    _webhook_confidential = frozenset({"url", "oauth_token_url"})

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
    oauth_token_url = fields.Char(
        string="Token URL",
        help="Where the access token comes from. The address must start with https:// unless "
        "“Private Network” is switched on.",
    )
    oauth_client_id = fields.Char(
        string="Client ID", help="How the token endpoint knows this database."
    )
    oauth_client_secret = fields.Char(
        string="Client Secret",
        groups="base.group_system",
        copy=False,
        help="The password that belongs to the client ID.",
    )
    oauth_client_auth = fields.Selection(
        OAUTH_CLIENT_AUTHS,
        string="Send Client Secret",
        default="basic",
        required=True,
        help="How the token endpoint gets client ID and secret. Choose the body only if it does "
        "not accept them in the header.",
    )
    oauth_scope = fields.Char(
        string="Scope", help="The rights to ask for, separated by blanks. Often empty."
    )
    oauth_audience = fields.Char(
        string="Audience",
        help="For which service the token is. Only some token endpoints ask for it.",
    )
    header_ids = fields.One2many(
        "webhook.subscriber.header",
        "subscriber_id",
        string="More Headers",
        groups="base.group_system",
        help="Headers that are sent with every message, such as the key of a gateway in front of "
        "the endpoint.",
    )
    own_headers = fields.Json(
        compute="_compute_own_headers",
        store=True,
        groups="base.group_system",
        help="The headers again. Sending reads them from here, because a second table would make "
        "every claim slower.",
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

    @api.depends("header_ids.name", "header_ids.value")
    def _compute_own_headers(self):
        for subscriber in self:
            subscriber.own_headers = [[h.name, h.value] for h in subscriber.header_ids] or False

    def write(self, vals):
        """Save; if the signing secret is replaced, keep the old one valid for a while."""
        self._check_values(vals)  # before they are computed with
        for subscriber in self:
            rotation = subscriber._rotation(vals)
            super(WebhookSubscriber, subscriber).write({**rotation, **vals})
        return True

    def copy_data(self, default=None):
        """A copy has no secrets."""
        vals_list = super().copy_data(default)
        for vals in vals_list:
            if not all(vals.get(name) for name in _NEEDED.get(vals["auth_type"], ())):
                vals["auth_type"] = "signature"  # with a new secret
        return vals_list

    def action_new_secret(self):
        """Replace the signing secret; the old one stays valid for a while."""
        for subscriber in self:
            subscriber.signing_secret = generate_secret(os.urandom(32))

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

    @api.constrains("state")
    def _check_enabled(self):
        """Enable no subscriber without credentials, such as one of a neutralised copy."""
        self.filtered(lambda subscriber: subscriber.state == "enabled")._check_credentials()

    @api.constrains("auth_type", *{name for names in _NEEDED.values() for name in names})
    def _check_credentials(self):
        for subscriber in self.sudo():
            for name in _NEEDED.get(subscriber.auth_type, ()):
                if not subscriber[name]:
                    raise ValidationError(
                        self.env._(
                            "This kind of authentication needs “%s”.",
                            self._fields[name]._description_string(self.env),
                        )
                    )
            for name in ("auth_token", "oauth_client_id", "oauth_client_secret"):
                value = subscriber[name]
                if value and not (value.isascii() and value.isprintable()):
                    raise ValidationError(
                        self.env._(
                            "“%s” may hold only printable ASCII characters.",
                            self._fields[name]._description_string(self.env),
                        )
                    )
            if subscriber.signing_secret:
                try:
                    decode_secret(subscriber.signing_secret)
                except ValueError as error:
                    raise ValidationError(
                        self.env._("The signing secret cannot be used: %s.", error)
                    ) from error

    @api.constrains("api_key_header")
    def _check_api_key_header(self):
        for subscriber in self.filtered("api_key_header"):
            try:
                check_header_name(subscriber.api_key_header)
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "The header %(name)s cannot carry the API key: %(reason)s.",
                        name=subscriber.api_key_header,
                        reason=error,
                    )
                ) from error

    @api.constrains("auth_type", "api_key_header", "header_ids")
    def _check_headers(self):
        """Refuse headers that would be sent twice, and more headers than servers take."""
        for subscriber in self.sudo():
            headers = (
                self.env["webhook.subscriber.header"]
                .sudo()
                .search([("subscriber_id", "=", subscriber.id)])
            )
            names = [header.name.lower() for header in headers]
            if subscriber.auth_type in ("bearer", "basic", "oauth2"):
                names.append("authorization")
            elif subscriber.auth_type == "api_key":
                names.append((subscriber.api_key_header or "").lower())
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValidationError(
                    self.env._(
                        "These headers would be sent twice: %s. The authentication counts, too.",
                        ", ".join(sorted(twice)),
                    )
                )
            size = sum(len(header.name) + len(header.value) for header in headers)
            if len(headers) > MOST_HEADERS or size > MOST_BYTES:
                raise ValidationError(
                    self.env._(
                        "There may be %(number)s more headers, with %(size)s characters in all.",
                        number=MOST_HEADERS,
                        size=MOST_BYTES,
                    )
                )

    @api.constrains("oauth_token_url", "allow_private_network")
    def _check_oauth_token_url(self):
        for subscriber in self.filtered("oauth_token_url"):
            scheme = self._check_address(subscriber.oauth_token_url).scheme
            if scheme != "https" and not subscriber.allow_private_network:
                raise ValidationError(
                    self.env._(
                        "The client secret would be readable on its way to the token URL. Enter an "
                        "address that starts with https://"
                    )
                )
