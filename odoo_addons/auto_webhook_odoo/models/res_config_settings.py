import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..wire.proxy import ProxySettingError, parse_exceptions, parse_proxy
from .ir_http import split_origins

_PROXY = ("webhook_proxy", "webhook_proxy_exceptions")

#: Settings that 0 switches off.
_MAY_BE_ZERO = ("webhook_archive_days", "webhook_delete_days", "webhook_warn_hours")

_ORIGIN = re.compile(r"https?://[^\s/@?#]+|\*")


class ResConfigSettings(models.TransientModel):
    """The addon's settings; each is kept in a system parameter."""

    _inherit = "res.config.settings"

    webhook_archive_days = fields.Integer(
        string="Archive Events After (days)",
        config_parameter="auto_webhook_odoo.archive_days",
        default=30,
        help="Events that were confirmed so many days ago are archived: they are no longer listed "
        "by default, but can still be read. 0: archive nothing.",
    )
    webhook_delete_days = fields.Integer(
        string="Delete Events After (days)",
        config_parameter="auto_webhook_odoo.delete_days",
        default=90,
        help="Events that were confirmed so many days ago are deleted, unless they still wait for "
        "an endpoint. Unconfirmed events are never deleted. 0: keep everything.",
    )
    webhook_payload_limit = fields.Integer(
        string="Largest Payload (bytes)",
        config_parameter="auto_webhook_odoo.payload_limit",
        default=262144,
        help="A larger payload is reduced to the fields that changed, and if that is still too "
        "large, to nothing. The payload says that it was reduced.",
    )
    webhook_warn_hours = fields.Integer(
        string="Warn of Unconfirmed Events After (hours)",
        config_parameter="auto_webhook_odoo.warn_hours",
        default=24,
        help="Webhook managers get an activity if an event has not been confirmed by a receiver "
        "for this long. 0: never.",
    )
    webhook_cors_origins = fields.Char(
        string="Web Pages That May Read the Feed",
        config_parameter="auto_webhook_odoo.cors_origins",
        help="Origins such as https://app.example.com, separated by commas. Needed only by web "
        "apps that call the feed from the browser. Empty: none. *: all.",
    )
    webhook_proxy = fields.Char(
        string="Proxy",
        config_parameter="auto_webhook_odoo.proxy",
        groups="base.group_system",
        help="Endpoints are reached through this proxy: http://host:port or "
        "http://user:password@host:port. Only system administrators can read it. The proxy looks "
        "up names by itself, so Odoo can no longer check every address. Odoo still refuses what it "
        "knows to be a link-local address, and a private address unless “Private Network” is "
        "ticked at the subscriber. All other forbidden addresses must be refused by the proxy, "
        "such as private addresses of names that only the proxy knows. Empty: endpoints are "
        "reached directly. HTTPS_PROXY and HTTP_PROXY of Odoo's environment are not used.",
    )
    webhook_proxy_exceptions = fields.Char(
        string="Reached Without the Proxy",
        config_parameter="auto_webhook_odoo.proxy_exceptions",
        help="Hosts such as bridgecore.example.com, *.example.com for all hosts below that domain, "
        "and networks such as 10.0.0.0/8 for endpoints whose URL holds an IP address; separated by "
        "commas. This machine (localhost, 127.0.0.1) is always reached without the proxy.",
    )

    webhook_instance = fields.Char(
        string="Instance",
        compute="_compute_webhook_place",
        help="Receivers know this database by this name, together with its database.uuid. A copy "
        "of the database has the same database.uuid and another instance, so a receiver notices if "
        "both push to it.",
    )
    webhook_elsewhere = fields.Text(compute="_compute_webhook_place")
    webhook_waiting = fields.Char(string="Waiting Deliveries", compute="_compute_webhook_place")

    def _compute_webhook_place(self):
        place = self.env["webhook.place"]
        self.webhook_instance = place._instance()
        self.webhook_elsewhere = place._notice()
        self.webhook_waiting = place._waiting() if self.webhook_elsewhere else "0"

    def action_webhook_original(self):
        """Push again: this database is the original."""
        self.env["webhook.place"]._declare_original()
        return {"type": "ir.actions.client", "tag": "reload"}

    def action_webhook_copy(self):
        """Make this database a source of its own, which pushes nothing for now."""
        self.env["webhook.place"]._declare_copy()
        return {"type": "ir.actions.client", "tag": "reload"}

    def set_values(self):
        """Save; try endpoints that failed again if they are now reached in another way."""
        parameters = self.env["ir.config_parameter"].sudo()
        names = [self._fields[name].config_parameter for name in _PROXY]
        before = [parameters.get_param(name) for name in names]
        # If another transaction has changed them, this statement fails, and not one with a password
        # in it, which Odoo would log.
        self.env.cr.execute(
            SQL("SELECT FROM ir_config_parameter WHERE key = ANY(%s) FOR NO KEY UPDATE", names),
            log_exceptions=False,
        )
        result = super().set_values()
        for name in _MAY_BE_ZERO:
            if not self[name]:  # Odoo deletes the parameter, and the default would come back
                parameters.set_param(self._fields[name].config_parameter, "0")
        if [parameters.get_param(name) for name in names] != before:
            failing = self.env["webhook.subscriber"].search([("consecutive_failures", ">", 0)])
            failing.action_resume()
        return result

    @api.constrains(*_PROXY)
    def _check_webhook_proxy(self):
        for settings in self:
            try:
                parse_exceptions(settings.webhook_proxy_exceptions or "")
                if settings.webhook_proxy:
                    parse_proxy(settings.webhook_proxy)
            except ProxySettingError as error:
                raise ValidationError(self.env._("The proxy cannot be used: %s.", error)) from None

    @api.constrains("webhook_cors_origins")
    def _check_webhook_cors_origins(self):
        for settings in self:
            for origin in split_origins(settings.webhook_cors_origins or ""):
                if not _ORIGIN.fullmatch(origin):
                    raise ValidationError(
                        self.env._(
                            "%s is no origin. Enter scheme and host without a path, such as "
                            "https://app.example.com",
                            origin,
                        )
                    )
