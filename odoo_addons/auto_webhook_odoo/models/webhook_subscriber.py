import os
import random
from datetime import timedelta

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..delivery.transport import Endpoint
from ..wire.backoff import retry_delay
from ..wire.signature import decode_secret, generate_secret

AUTH_TYPES = [
    ("none", "None"),
    ("bearer", "Bearer Token"),
    ("api_key", "API Key in a Header"),
    ("basic", "User and Password (Basic)"),
    ("signature", "Signature Only"),
]


class WebhookSubscriber(models.Model):
    """An endpoint that instant events are pushed to."""

    _name = "webhook.subscriber"
    _description = "Webhook Subscriber"
    _webhook_recordable = False
    _order = "name"

    name = fields.Char(required=True)
    active = fields.Boolean(
        default=True,
        help="Archive to stop pushing. Deliveries that are waiting go on when you unarchive.",
    )
    url = fields.Char(
        string="URL",
        required=True,
        help="Where events are posted to. For a BridgeCore receiver: its address followed by "
        "/api/v1/webhooks/receive",
    )
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
        help="Shared with the endpoint, which verifies every message with it (Standard "
        "Webhooks: whsec_ followed by base64).",
    )
    confirm_on_delivery = fields.Boolean(
        help="Count an event as processed as soon as this endpoint accepts it. For endpoints "
        "of others, which cannot confirm by calling back.",
    )
    timeout = fields.Integer(
        string="Timeout (s)", default=10, help="Seconds to wait for the endpoint's answer."
    )
    verify_ssl = fields.Boolean(
        string="Verify Certificate",
        default=True,
        help="Refuse an endpoint whose certificate cannot be verified.",
    )
    max_attempts = fields.Integer(
        default=10,
        help="How often a delivery is tried before it is given up and listed as dead. Tries "
        "that fail because the endpoint is away are not counted.",
    )
    backoff_base = fields.Integer(
        string="First Retry After (s)",
        default=5,
        help="Seconds to the second try; every further wait is twice as long.",
    )
    backoff_max = fields.Integer(
        string="Longest Wait (s)", default=3600, help="No wait between two tries is longer."
    )
    last_success = fields.Datetime(readonly=True)
    last_failure = fields.Datetime(readonly=True)
    consecutive_failures = fields.Integer(readonly=True)
    paused_until = fields.Datetime(
        readonly=True,
        help="The endpoint was away or asked for a pause. Nothing is lost: deliveries go on "
        "after this time, or at once when you press Resume.",
    )
    delivery_ids = fields.One2many("webhook.delivery", "subscriber_id", string="Deliveries")

    _positive = models.Constraint(
        "CHECK (timeout > 0 AND max_attempts > 0 AND backoff_base > 0 AND backoff_max > 0)",
        "Timeout, attempts and waits must be greater than zero.",
    )

    @api.constrains("url")
    def _check_url(self):
        for subscriber in self:
            try:
                parts = parse_url(subscriber.url)
                (parts.host or "").encode("idna")  # as the connection will do
            except (LocationParseError, UnicodeError):
                parts = Url()
            if parts.scheme not in ("http", "https") or not parts.host:
                raise ValidationError(
                    self.env._("The URL must be an address that starts with http:// or https://")
                )

    @api.constrains("auth_type", "auth_token", "api_key_header", "signing_secret")
    def _check_credentials(self):
        for subscriber in self.sudo():
            if subscriber.auth_type in ("bearer", "api_key", "basic") and not subscriber.auth_token:
                raise ValidationError(self.env._("This kind of authentication needs a token."))
            for value in (subscriber.auth_token, subscriber.api_key_header):
                if value and not (value.isascii() and value.isprintable()):
                    raise ValidationError(
                        self.env._("Tokens and header names consist of plain letters and signs.")
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

    def _endpoint(self):
        """Return the settings of one attempt, to be used without a database transaction."""
        subscriber = self.sudo()
        return Endpoint(
            url=subscriber.url,
            auth_type=subscriber.auth_type,
            auth_token=subscriber.auth_token or "",
            api_key_header=subscriber.api_key_header or "",
            signing_secret=subscriber.signing_secret or "",
            timeout=subscriber.timeout,
            verify_ssl=subscriber.verify_ssl,
        )

    def action_resume(self):
        """Go on now instead of waiting for the end of the pause."""
        self.env["webhook.delivery"].check_access("write")
        self.sudo().write({"paused_until": False})
        self.env.ref("auto_webhook_odoo.cron_deliver")._trigger()

    def _retry_delay(self, failures):
        """Return the seconds to wait after so many failures."""
        return retry_delay(failures, self.backoff_base, self.backoff_max, random.random)

    def _record_health(self, outcomes):
        """Note how the endpoint did; pause it, longer each time, if it was at fault."""
        now = fields.Datetime.now()
        for outcome in outcomes:
            if not outcome.endpoint_failed:
                health = {"consecutive_failures": 0, "paused_until": False}
                self.write({**health, "last_success" if outcome.delivered else "last_failure": now})
                continue
            failures = self.consecutive_failures + 1
            pause = max(self._retry_delay(failures), outcome.retry_after or 0)
            self.write(
                {
                    "last_failure": now,
                    "consecutive_failures": failures,
                    "paused_until": now + timedelta(seconds=pause),
                }
            )
            if outcome.status == 410:  # Gone: the endpoint does not want to be asked again
                self.active = False
