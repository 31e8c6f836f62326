from odoo import http
from odoo.http import Response

from ..wire.jsontext import dumps

JSON = "application/json"


def feed_route(path, auth="webhook_consumer"):
    """A route that takes any method, so that a wrong one is answered as JSON, too."""
    return http.route(
        f"/api/webhooks/{path}",
        type="http",
        auth=auth,
        csrf=False,
        save_session=False,
    )


def success(**answer):
    """Return the response of a call that went well."""
    return Response(dumps({"success": True, **answer}), content_type=JSON)
