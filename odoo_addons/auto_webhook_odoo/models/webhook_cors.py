"""Web pages of other origins may call the feed if the settings name them (CORS)."""

import re

import werkzeug.exceptions

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.http import Response, request

_PARAMETER = "auto_webhook_odoo.cors_origins"
_ORIGIN = re.compile(r"https?://[^\s/@?#]+|\*")
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-API-Key, X-Odoo-Database",
    "Access-Control-Max-Age": "86400",
}


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _authenticate(cls, endpoint):
        # browsers ask whether they may without the key that they are going to send
        if request.httprequest.method == "OPTIONS" and cls._is_webhook_call():
            response = Response(status=204, headers={"Allow": "GET, POST, OPTIONS"})
            cls._allow_webhook_origin(response, _PREFLIGHT)
            werkzeug.exceptions.abort(response)
        return super()._authenticate(endpoint)

    @classmethod
    def _post_dispatch(cls, response):
        super()._post_dispatch(response)
        if cls._is_webhook_call():
            cls._allow_webhook_origin(response)

    @classmethod
    def _handle_error(cls, exception):
        response = super()._handle_error(exception)
        if cls._is_webhook_call():
            cls._allow_webhook_origin(getattr(response, "response", None) or response)
        return response

    @classmethod
    def _is_webhook_call(cls):
        return request.httprequest.path.startswith("/api/webhooks/")

    @classmethod
    def _allow_webhook_origin(cls, response, more=()):
        """Tell the browser that the page may see the response, if it may.

        Never with credentials: a page has to bring a key of its own.
        """
        origin = request.httprequest.headers.get("Origin")
        allowed = request.env["ir.config_parameter"].sudo().get_param(_PARAMETER) or ""
        if not origin or not allowed or not hasattr(response, "headers"):
            return
        origins = _split(allowed)
        response.headers.add("Vary", "Origin")
        if "*" in origins or origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
            response.headers.update(dict(more))


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    webhook_cors_origins = fields.Char(
        string="Web Pages That May Read the Feed",
        config_parameter=_PARAMETER,
        help="Origins such as https://app.example.com, separated by commas. Needed only by web "
        "apps that call the feed from the browser. Empty: none. *: all.",
    )

    @api.constrains("webhook_cors_origins")
    def _check_webhook_cors_origins(self):
        for settings in self:
            for origin in _split(settings.webhook_cors_origins or ""):
                if not _ORIGIN.fullmatch(origin):
                    raise ValidationError(
                        self.env._(
                            "%s is no origin. Give scheme and host, such as "
                            "https://app.example.com, without a path.",
                            origin,
                        )
                    )


def _split(origins):
    return re.split(r"[\s,]+", origins.strip()) if origins.strip() else []
