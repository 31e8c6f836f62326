import json
import re

import werkzeug.exceptions

from odoo import api, models
from odoo.http import Response, request

#: Scope of API keys that are good for the feed and for nothing else. Keys made in the user's
#: preferences have no scope and are accepted too (res_users.py, ``_check_credentials``).
API_KEY_SCOPE = "webhook"


def json_error(status, code, message, headers=None):
    """Return the JSON response that every error of the feed's routes has."""
    body = {"success": False, "error": {"code": code, "message": message}}
    return Response(
        json.dumps(body), status=status, content_type="application/json", headers=headers
    )


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _auth_method_webhook_consumer(cls):
        """Let in the API key of a user who may read the feed."""
        cls._authenticate_webhook_key("auto_webhook_odoo.group_webhook_consumer")

    @classmethod
    def _auth_method_webhook_receiver(cls):
        """Let in the API key of a user who may also confirm events."""
        cls._authenticate_webhook_key("auto_webhook_odoo.group_webhook_receiver")

    @classmethod
    def _handle_error(cls, exception):
        """Answer what fails outside of the feed's own routes as JSON, too."""
        response = super()._handle_error(exception)
        if not request.httprequest.path.startswith("/api/webhooks/"):
            return response
        status = getattr(response, "code", None) or getattr(response, "status_code", 500)
        if status < 400 or getattr(response, "mimetype", "") == "application/json":
            return response
        is_raised = isinstance(response, werkzeug.exceptions.HTTPException)
        if is_raised and response.response is not None:  # one of ours
            return response
        return json_error(status, "not_served", f"Odoo answered this request with {status}.")

    @classmethod
    def _authenticate_webhook_key(cls, group):
        # A session says nothing here: a browser must not read the feed on behalf of its user.
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
        # from scratch: nothing of a session's context may leak in
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
        address = request.httprequest.remote_addr
        guard = request.env["webhook.key.failure"]
        failures, seconds = guard._look_up(address, key)
        if seconds:
            raise werkzeug.exceptions.TooManyRequests(
                response=json_error(
                    429,
                    "too_many_failures",
                    "Too many wrong API keys from this address.",
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
        headers = request.httprequest.headers
        bearer = re.fullmatch(r"bearer\s+(\S+)\s*", headers.get("Authorization", ""), re.IGNORECASE)
        key = bearer.group(1) if bearer else headers.get("X-API-Key", "").strip()
        return None if "\x00" in key else key  # PostgreSQL has no such text
