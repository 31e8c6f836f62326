from odoo import http
from odoo.http import Response, request

from ..models.ir_http import json_error
from ..models.update_webhook import EVENTS
from ..models.webhook_config import PRIORITIES
from ..postgres.transactions import read_committed
from ..wire.cursor import MAX_CURSOR
from ..wire.jsontext import dumps
from . import parameters as read
from .errors import json_errors
from .routing import JSON, feed_route, page_response, success


class Feed(http.Controller):
    """The routes for reading the feed and confirming events (docs/protocol.md)."""

    @feed_route("pull")
    @json_errors("GET", "POST")
    def pull(self):
        """Return the next page of the feed."""
        given = read.read_parameters(
            (
                *("last_event_id", "limit", "models", "events", "priority"),
                *("include_processed", "latest"),
            )
        )
        page = request.env["webhook.feed.position"]._read_page(
            read.integer(given, "last_event_id", 0, 0, MAX_CURSOR),
            read.integer(given, "limit", 100, 1, read.MAX_PAGE),
            models=read.strings(given, "models"),
            events=read.strings(given, "events", dict(EVENTS)),
            priority=read.strings(given, "priority", dict(PRIORITIES)),
            include_processed=read.boolean(given, "include_processed", True),
            latest=read.boolean(given, "latest", False),
        )
        return page_response(page)

    @feed_route("bootstrap")
    @json_errors("GET", "POST")
    def bootstrap(self):
        """Return the next page of the records that are there now."""
        given = read.read_parameters(("models", "after", "limit"))
        page = request.env["webhook.bootstrap"]._read_page(
            after=read.mark(given, "after"),
            limit=read.integer(given, "limit", 100, 1, read.MAX_PAGE),
            models=read.strings(given, "models"),
        )
        return page_response(page)

    @feed_route("mark-processed", auth="webhook_receiver")
    @json_errors("POST")
    def mark_processed(self):
        """Confirm events, and store why receivers gave up on others."""
        given = read.read_parameters(("event_ids", "timestamps", "failed"))
        confirmed, failed = (
            read.events(given, "event_ids", "timestamps"),
            read.failures(given, "failed"),
        )
        with read_committed(request.env) as env:
            processed, unknown = env["update.webhook"]._mark_processed(confirmed, failed)
        return success(processed_count=processed, unknown=unknown)

    @feed_route("stats")
    @json_errors("GET")
    def stats(self):
        """Return figures about the feed, for monitoring."""
        given = read.read_parameters(("days",))
        days = read.integer(given, "days", 7, 1, read.MAX_DAYS)
        figures = request.env["update.webhook"]._stats(days)
        return success(**figures, stats=figures)  # some clients read them there

    @feed_route("health", auth="public")
    @json_errors("GET", "POST")
    def health(self):
        """Tell that Odoo is there, and the version of the addon."""
        module = request.env.ref("base.module_auto_webhook_odoo").sudo()
        return Response(
            dumps({"status": "ok", "version": module.installed_version}), content_type=JSON
        )

    @feed_route("<path:_path>", auth="public")
    def unknown(self):
        """Answer every other path below ``/api/webhooks/``."""
        return json_error(404, "not_found", "There is no such call. See docs/protocol.md.")
