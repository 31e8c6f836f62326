"""Web pages of other origins may call the feed if the settings name them (CORS)."""

import re

import werkzeug.exceptions

from odoo import models
from odoo.http import Response, request

_PARAMETER = "auto_webhook_odoo.cors_origins"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-API-Key, X-Odoo-Database",
    "Access-Control-Max-Age": "86400",
}


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"  # pylint: disable=consider-merging-classes-inherited

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
        result = super()._post_dispatch(response)
        if cls._is_webhook_call():
            cls._allow_webhook_origin(response)
        return result

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
        origins = split_origins(allowed)
        response.headers.add("Vary", "Origin")
        if "*" in origins or origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
            response.headers.update(dict(more))


def split_origins(origins):
    """Return the origins of the setting."""
    return re.split(r"[\s,]+", origins.strip()) if origins.strip() else []
