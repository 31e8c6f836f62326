import json
import re

import werkzeug.exceptions

from odoo import api, models
from odoo.http import Response, request

#: Scope of API keys that open the feed and nothing else. Keys that users make in their preferences
#: have no scope, and open the feed, too (res_users.py, ``_check_credentials``).
API_KEY_SCOPE = "webhook"

_ORIGINS_PARAMETER = "auto_webhook_odoo.cors_origins"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-API-Key, X-Odoo-Database",
    "Access-Control-Max-Age": "86400",
}


def json_error(status, code, message, headers=None):
    """Return the JSON response of an error. All routes of the feed answer errors like this."""
    body = {"success": False, "error": {"code": code, "message": message}}
    return Response(
        json.dumps(body), status=status, content_type="application/json", headers=headers
    )


class IrHttp(models.AbstractModel):
    """Authenticates the calls of the feed, and lets web pages of other origins call it (CORS).

    A caller sends an API key of its user. A browser asks first whether a page of its origin may
    call at all (a preflight request, without the key); the settings name the origins that may.
    """

    _inherit = "ir.http"

    @classmethod
    def _auth_method_webhook_consumer(cls):
        """Accept the API key of a user who may read the feed."""
        cls._authenticate_webhook_key("auto_webhook_odoo.group_webhook_consumer")

    @classmethod
    def _auth_method_webhook_receiver(cls):
        """Accept the API key of a user who may also confirm events."""
        cls._authenticate_webhook_key("auto_webhook_odoo.group_webhook_receiver")

    @classmethod
    def _authenticate(cls, endpoint):
        """Answer preflight requests before any authentication, because they bring no key."""
        if request.httprequest.method == "OPTIONS" and cls._is_webhook_call():
            response = Response(status=204, headers={"Allow": "GET, POST, OPTIONS"})
            cls._add_webhook_headers(response, _PREFLIGHT)
            werkzeug.exceptions.abort(response)
        return super()._authenticate(endpoint)

    @classmethod
    def _dispatch(cls, endpoint):
        """Pass no parameters on: the routes of the feed read them from the request themselves.

        Odoo would log a warning for every parameter that a route's function does not declare.
        """
        if cls._is_webhook_call():
            request.params = {}
        return super()._dispatch(endpoint)

    @classmethod
    def _post_dispatch(cls, response):
        result = super()._post_dispatch(response)
        if cls._is_webhook_call():
            cls._add_webhook_headers(response)
        return result

    @classmethod
    def _handle_error(cls, exception):
        """Answer errors as JSON, including those that occur outside of the feed's own routes."""
        response = super()._handle_error(exception)
        if cls._is_webhook_call():
            response = cls._webhook_error(response)
            cls._add_webhook_headers(response)
        return response

    @classmethod
    def _webhook_error(cls, response):
        """Return an error as a JSON response; return any other response as it is."""
        if isinstance(response, werkzeug.exceptions.HTTPException):
            response = response.get_response()  # if this addon raised it, that is JSON already
        status = response.status_code
        if status < 400 or response.mimetype == "application/json":
            return response
        return json_error(status, "not_served", f"Odoo answered this request with {status}.")

    @classmethod
    def _authenticate_webhook_key(cls, group):
        # A session is no key: a page in a browser must not read the feed on behalf of its user.
        request.session.can_save = False
        key = cls._webhook_key()
        user_id = key and cls._check_webhook_key(key)
        if not user_id:
            raise werkzeug.exceptions.Unauthorized(
                response=json_error(
                    401,
                    "unauthorized",
                    "Send a valid Odoo API key as 'Authorization: Bearer <key>'"
                    " or 'X-API-Key: <key>'.",
                    {"WWW-Authenticate": "Bearer"},
                )
            )
        # A new environment, because nothing of a session's context may leak in.
        request.env = api.Environment(request.env.cr, user_id, {})
        request.env.transaction.default_env = request.env
        if not request.env.user.has_group(group):
            name = request.env.ref(group).sudo().full_name
            raise werkzeug.exceptions.Forbidden(
                response=json_error(
                    403, "forbidden", f"The user of this API key must be in the group {name}."
                )
            )

    @classmethod
    def _check_webhook_key(cls, key):
        """Return the id of the user whose key it is, or None. Count wrong keys."""
        address = request.httprequest.remote_addr
        guard = request.env["webhook.key.failure"]
        failures, seconds = guard._look_up(address, key)
        if seconds:
            raise werkzeug.exceptions.TooManyRequests(
                response=json_error(
                    429,
                    "too_many_failures",
                    "Too many wrong API keys from this address. Wait before you try again.",
                    {"Retry-After": str(seconds)},
                )
            )
        keys = request.env["res.users.apikeys"]
        user_id = keys._check_credentials(scope=API_KEY_SCOPE, key=key)
        if not user_id:
            guard._note(address, key)
        elif failures:
            guard._forgive(address, key)
        return user_id

    @classmethod
    def _webhook_key(cls):
        """Return the API key in the headers of the request."""
        headers = request.httprequest.headers
        bearer = re.fullmatch(r"bearer\s+(\S+)\s*", headers.get("Authorization", ""), re.IGNORECASE)
        key = bearer.group(1) if bearer else headers.get("X-API-Key", "").strip()
        return None if "\x00" in key else key  # PostgreSQL stores no NUL

    @classmethod
    def _is_webhook_call(cls):
        return request.httprequest.path.startswith("/api/webhooks/")

    @classmethod
    def _add_webhook_headers(cls, response, preflight=()):
        """Add the headers that every answer of the feed has: answers, errors and preflights.

        :param preflight: the headers that answer a preflight request of an allowed origin
        """
        # Answers hold personal data and depend on the key: no proxy, browser or app may keep them
        # (RFC 9111, section 5.2.2.5).
        response.headers["Cache-Control"] = "no-store"
        cls._allow_webhook_origin(response, preflight)

    @classmethod
    def _allow_webhook_origin(cls, response, preflight):
        """Add the headers that let a page of an allowed origin see the response.

        Browsers may send no cookies along: a page has to bring an API key.
        """
        origin = request.httprequest.headers.get("Origin")
        allowed = request.env["ir.config_parameter"].sudo().get_param(_ORIGINS_PARAMETER) or ""
        if not origin or not allowed:
            return
        origins = split_origins(allowed)
        response.headers.add("Vary", "Origin")
        if "*" in origins or origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
            response.headers.update(dict(preflight))


def split_origins(origins):
    """Return the list of origins in the text of the setting."""
    return re.split(r"[\s,]+", origins.strip()) if origins.strip() else []
