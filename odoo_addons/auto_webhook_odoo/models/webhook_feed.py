import dataclasses

from odoo import api, fields, models
from odoo.tools import SQL

from ..wire.event import event_json


@dataclasses.dataclass(frozen=True)
class FeedPage:
    """One page of the feed. The events are JSON text, so that the route need not parse them."""

    events: list
    head: dict


class WebhookFeedPosition(models.Model):
    """The order of the feed: the id of a row is the position of its event.

    Event ids are no cursor. A sequence hands them out before the commit, so a reader that
    follows ``id > last`` skips the event of a transaction that commits late. Positions are
    therefore given only to events that are committed, by one reader at a time: whoever has seen
    position n has seen every smaller one. Nothing waits for an open transaction; its events
    get their positions when they can be seen.
    """

    _name = "webhook.feed.position"
    _description = "Position in the Webhook Feed"
    _webhook_recordable = False
    _log_access = False

    event_id = fields.Many2one("update.webhook", required=True, ondelete="cascade")

    _event_unique = models.UniqueIndex("(event_id)")

    @api.model
    def _assign(self):
        """Give every committed event a position.

        To be called with a cursor that has not read anything: the lock has to be there before
        the snapshot, and under REPEATABLE READ the first query takes the snapshot; LOCK TABLE
        does not.
        """
        cr = self.env.cr
        cr.execute("LOCK TABLE webhook_feed_lock IN EXCLUSIVE MODE")
        cr.execute(
            """
            WITH pending AS (DELETE FROM webhook_feed_pending RETURNING id)
            INSERT INTO webhook_feed_position (event_id)
            SELECT event.id FROM pending JOIN update_webhook event ON event.id = pending.id
             ORDER BY event.id
            """
        )

    @api.model
    def _read_page(
        self, last_event_id, limit, models=None, events=None, priority=None, include_processed=True
    ):
        """Return the ``FeedPage`` after the cursor, for the companies of the user.

        Uses cursors of its own: the caller's has long taken its snapshot (authentication).
        """
        self.env["update.webhook"].check_access("read")
        where = [
            SQL("position.id > %s", last_event_id),
            SQL("(e.company_id IS NULL OR e.company_id = ANY(%s))", self.env.user.company_ids.ids),
        ]
        for column, wanted in (("model", models), ("event", events), ("priority", priority)):
            if wanted:
                where.append(SQL("%s = ANY(%s)", SQL.identifier("e", column), list(wanted)))
        if not include_processed:
            where.append(SQL("e.is_processed IS NOT TRUE AND e.failed_at IS NULL"))
        with self.env.registry.cursor() as cr:
            self.with_env(self.env(cr=cr, su=True))._assign()
        with self.env.registry.cursor() as cr:
            rows = self.env(cr=cr, su=True)["update.webhook"]._wire_rows(
                SQL(" AND ").join(where), limit + 1
            )
        page, more = rows[:limit], rows[limit:]
        return FeedPage(
            events=[event_json(row, id_key="id") for row in page],
            head={
                "success": True,
                "last_id": page[-1]["position"] if page else last_event_id,
                "has_more": bool(more),
                "count": len(page),
                "source": self.env["ir.config_parameter"].sudo().get_param("database.uuid"),
                "timestamp": fields.Datetime.now().isoformat() + "Z",
            },
        )


class WebhookFeedPending(models.Model):
    """Events without a position yet, by their ids. Filled together with ``update.webhook``."""

    _name = "webhook.feed.pending"
    _description = "Webhook Event without Position"
    _webhook_recordable = False
    _log_access = False


class WebhookFeedLock(models.Model):
    """Always empty; locked by whoever gives out positions.

    Not the event table (LOCK TABLE there waits for every open writer), and not a table with
    rows (autovacuum takes a lock that conflicts).
    """

    _name = "webhook.feed.lock"
    _description = "Lock of the Webhook Feed"
    _webhook_recordable = False
    _log_access = False
