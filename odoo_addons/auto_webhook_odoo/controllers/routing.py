"""What all routes of the feed have in common."""

from odoo import http
from odoo.http import Response

from ..wire.jsontext import dumps

JSON = "application/json"


def feed_route(path, auth="webhook_consumer"):
    """Declare a route of the feed.

    The route accepts every HTTP method; ``errors.json_errors`` refuses wrong ones as JSON.

    :param auth: ``webhook_consumer``, ``webhook_receiver`` (see ``models/ir_http.py``) or
        ``public``
    """
    return http.route(
        f"/api/webhooks/{path}",
        type="http",
        auth=auth,
        csrf=False,
        save_session=False,
    )


def page_response(page):
    """Return the response with a ``FeedPage``. Its events are JSON, and need not be parsed."""
    body = f'{dumps(page.head)[:-1]},"events":[{",".join(page.events)}]}}'
    return Response(body, content_type=JSON)


def success(**answer):
    """Return the response to a call that succeeded."""
    return Response(dumps({"success": True, **answer}), content_type=JSON)
