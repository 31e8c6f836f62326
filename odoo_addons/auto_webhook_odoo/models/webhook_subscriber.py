import os
import uuid

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..delivery.connections import open_connections
from ..delivery.oauth import post
from ..delivery.shown_request import WatchedConnections, expected_headers, shown_headers
from ..wire.message import batch

STATES = [
    ("dry_run", "Dry Run"),  # deliveries are recorded, not sent
    ("enabled", "Enabled"),
    ("disabled", "Disabled"),  # deliveries wait
]

_LIMITS = {
    "timeout": (1, 1_000_000),
    "batch_size": (1, 1000),
    "rate_limit": (0, 1_000_000),
    "max_attempts": (1, 1_000_000),
    "backoff_base": (1, 1_000_000),
    "backoff_max": (1, 1_000_000_000),
    "rotation_hours": (0, 100_000),
    "disable_after": (0, 100_000),
}


class WebhookSubscriber(models.Model):
    """An endpoint that instant events are pushed to.

    This file holds its address and limits. ``webhook_subscriber_credentials.py`` holds tokens and
    signing secrets, ``webhook_subscriber_certificate.py`` the client certificate,
    ``webhook_subscriber_health.py`` how the endpoint is doing, ``webhook_subscriber_notices.py``
    who is told about it, and ``webhook_subscriber_consumer.py`` who confirms its events.
    """

    _name = "webhook.subscriber"
    _inherit = ["webhook.secrets", "mail.thread", "mail.activity.mixin"]
    _description = "Webhook Subscriber"
    _webhook_recordable = False
    _order = "name"

    name = fields.Char(required=True)
    active = fields.Boolean(
        default=True,
        help="Archive an endpoint that is no longer used. It gets no new events, and can be "
        "deleted.",
    )
    state = fields.Selection(
        STATES,
        default="enabled",
        required=True,
        copy=False,
        tracking=True,
        help="Dry run: what would be sent is listed under Deliveries, and not sent. "
        "Enabled: events are sent. Disabled: events wait, and are sent once you enable it.",
    )
    url = fields.Char(
        string="URL",
        required=True,
        help="Where events are posted to. For a BridgeCore receiver: its address followed by "
        "/api/v1/webhooks/receive",
    )
    timeout = fields.Integer(
        string="Timeout (s)", default=10, help="Seconds to wait for the endpoint's answer."
    )
    verify_ssl = fields.Boolean(
        string="Verify Certificate",
        default=True,
        help="Refuse an endpoint whose certificate cannot be verified.",
    )
    allow_private_network = fields.Boolean(
        string="Private Network",
        help="Allow an endpoint in a private network, or on this machine. Metadata services of "
        "clouds and other link-local addresses are refused in any case.",
    )
    batch_size = fields.Integer(
        default=100, help="How many waiting events one message may hold. 1: no batches."
    )
    rate_limit = fields.Integer(
        string="Events per Second",
        help="How many events the endpoint gets per second at most. 0: no limit.",
    )
    max_attempts = fields.Integer(
        default=10,
        help="How many attempts a delivery has before it is given up and listed as dead. Attempts "
        "that fail because the endpoint is away do not count.",
    )
    backoff_base = fields.Integer(
        string="First Retry After (s)",
        default=5,
        help="Seconds between the first and the second attempt. Each further wait is twice as "
        "long.",
    )
    backoff_max = fields.Integer(
        string="Longest Wait (s)",
        default=3600,
        help="The longest wait between two attempts, ±20 %. "
        "If the endpoint answers with Retry-After, the wait may be longer, up to a day.",
    )
    disable_after = fields.Integer(
        string="Disable After (h)",
        default=120,
        help="An endpoint that has failed for so many hours is disabled, and administrators are "
        "told. Nothing is lost: events wait until you enable it. 0: never.",
    )
    last_success = fields.Datetime(readonly=True, copy=False)
    last_failure = fields.Datetime(readonly=True, copy=False)
    failing_since = fields.Datetime(readonly=True, copy=False)
    consecutive_failures = fields.Integer(readonly=True, copy=False)
    next_batch_at = fields.Datetime(
        readonly=True,
        copy=False,
        help="The rate limit allows no message before this time.",
    )
    paused_until = fields.Datetime(
        readonly=True,
        copy=False,
        help="The endpoint was away or asked for a pause. Nothing is lost: deliveries go on "
        "after this time, or at once when you press Resume.",
    )
    elsewhere = fields.Text(
        compute="_compute_elsewhere",
        help="Why no endpoint gets anything: this database may be a copy. Empty if it is none.",
    )
    delivery_ids = fields.One2many("webhook.delivery", "subscriber_id", string="Deliveries")

    def _compute_elsewhere(self):
        self.elsewhere = self.env["webhook.place"]._notice()

    def copy_data(self, default=None):
        """A copy is disabled, and sends nothing until a user enables it."""
        vals_list = super().copy_data(default)
        for subscriber, vals in zip(self, vals_list, strict=True):
            if "name" not in (default or {}):
                vals["name"] = self.env._("%s (copy)", subscriber.name)
            vals.setdefault("state", "disabled")
        return vals_list

    @api.ondelete(at_uninstall=False)
    def _unlink_archived(self):
        """Refuse to delete an active subscriber: new events would wait for its row meanwhile."""
        if self.filtered("active"):
            raise UserError(
                self.env._("Archive an endpoint before you delete it and all of its deliveries.")
            )

    @api.model
    def _check_values(self, vals, missing=False):  # pylint: disable=missing-return
        """Also refuse numbers outside of their limits."""
        super()._check_values(vals, missing)
        for name in _LIMITS.keys() & vals.keys():
            lowest, highest = _LIMITS[name]
            field = self._fields[name]
            if not lowest <= field.convert_to_cache(vals[name], self) <= highest:
                raise ValidationError(
                    self.env._(
                        "%(field)s must be between %(lowest)s and %(highest)s.",
                        field=field._description_string(self.env),
                        lowest=lowest,
                        highest=highest,
                    )
                )

    def _differs(self, vals, names):
        """Return whether any of these fields gets another value."""
        current = self.sudo()
        return any(
            # commands change the records of a one2many field
            self._fields[name].type == "one2many"
            or (current[name] or False) != (vals[name] or False)
            for name in names & vals.keys()
        )

    @api.constrains("url")
    def _check_url(self):
        for subscriber in self:
            self._check_address(subscriber.url)

    @api.model
    def _check_address(self, url):
        """Return the parts of a URL that requests are sent to.

        :raises ValidationError: if it is no address for HTTP, or holds a user or a password
        """
        try:
            parts = parse_url(url)
            (parts.host or "").encode("idna")  # as the connection will encode it
        except (LocationParseError, UnicodeError):
            parts = Url()
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ValidationError(
                self.env._("The URL must be an address that starts with http:// or https://")
            )
        if parts.auth is not None:
            raise ValidationError(
                self.env._(
                    "A user and a password in the URL could be read by others. Choose the "
                    "authentication “User and Password (Basic)” instead."
                )
            )
        return parts

    def action_test(self):
        """Send a batch without events, and show the outcome."""
        source = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        body = batch(source, []).encode()
        outcome, _headers = self._post(f"{source}_ping_{uuid.uuid4().hex}", body)
        if outcome.delivered:
            message = self.env._(
                "The endpoint answered HTTP %(status)s after %(duration)s ms.",
                status=outcome.status,
                duration=outcome.duration,
            )
        else:
            message = self.env._(
                "%(error)s (after %(duration)s ms)", error=outcome.error, duration=outcome.duration
            )
            if outcome.status is None:
                message += self._unused_proxy(self._endpoint())
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": self.env._("Accepted") if outcome.delivered else self.env._("Failed"),
                "message": message,
                "type": "success" if outcome.delivered else "danger",
                "sticky": not outcome.delivered,
            },
        }

    @api.model
    def _unused_proxy(self, endpoint):
        """Return a hint if Odoo's environment names a proxy that webhooks do not use; else nothing.

        The hint names the variable and not its value, which may hold a password.
        """
        scheme = endpoint.url.partition(":")[0].lower()
        names = [f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
        name = next(filter(os.environ.get, names), None)
        if endpoint.proxy or not name:
            return ""
        return " " + self.env._(
            "Odoo's environment sets %s, which webhooks do not use. If this endpoint is reached "
            "through a proxy only, enter the proxy under Settings → Webhooks.",
            name,
        )

    def _post(self, message_id, body):
        """Send a body now, and commit before. It does not count as a delivery.

        :return: ``(Outcome, the headers as text, without secrets)``
        :raises AccessError: if the user may not change the subscriber
        :raises UserError: if this database may be a copy
        """
        self.ensure_one()
        self.check_access("write")
        if notice := self.env["webhook.place"]._notice():
            raise UserError(notice)
        self._check_credentials()
        endpoint = self._endpoint()
        # No transaction may be open while the endpoint is talked to.
        self.env.cr.commit()  # pylint: disable=invalid-commit
        connections = WatchedConnections(open_connections(*endpoint.way))
        outcome = post(connections, endpoint, message_id, body)
        sent = connections.headers
        named = sent or expected_headers(endpoint, message_id, body)
        return outcome, shown_headers(endpoint, named, body, sent=bool(sent))

    def action_view_deliveries(self):
        """List the deliveries to this endpoint."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "auto_webhook_odoo.webhook_delivery_action"
        )
        return {**action, "domain": [("subscriber_id", "=", self.id)]}
