import dataclasses

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..postgres.bigints import BigId, BigMany2one
from ..rights.redaction import redact
from ..wire.cursor import Cursor
from ..wire.latest import only_latest


@dataclasses.dataclass(frozen=True)
class FeedPage:
    """One page of the feed. The events are JSON text, so that the route need not parse them."""

    events: list
    head: dict


class WebhookFeedPosition(models.Model):
    """The order of the feed: the id of a row is the position of its event.

    Event ids cannot be cursors. A sequence hands them out before the commit, so a reader that asks
    for ``id > last`` would skip the event of a transaction that commits late. Positions are
    therefore given only to committed events, and by one reader at a time. A reader who has seen
    position n has seen every smaller one. No reader waits for an open transaction; the next reader
    after its commit gives positions to its events.
    """

    _name = "webhook.feed.position"
    _description = "Position in the Webhook Feed"
    _webhook_recordable = False
    _log_access = False

    id = BigId()
    # cascade: for programs that delete events with SQL
    event_id = BigMany2one("update.webhook", required=True, ondelete="cascade")

    _event_unique = models.UniqueIndex("(event_id)")

    @api.model
    def _assign_pending(self):
        """Give every committed event a position, if there is an event without one."""
        with self.env.registry.cursor() as cr:
            cr.execute("SELECT EXISTS (SELECT FROM webhook_feed_pending)")
            (is_pending,) = cr.fetchone()
        if is_pending:
            self._assign_all()

    @api.model
    def _assign_all(self):
        """Give every committed event a position, and notice a restored backup in any case."""
        with self.env.registry.cursor() as cr:
            self.with_env(self.env(cr=cr, su=True))._assign()

    @api.model
    def _assign(self):
        """Give every committed event a position.

        To be called with a cursor that has not read anything, because the lock must come before the
        snapshot. Under REPEATABLE READ the first query takes the snapshot; LOCK TABLE does not.
        """
        cr = self.env.cr
        cr.execute("LOCK TABLE webhook_feed_lock IN EXCLUSIVE MODE")
        self.env["webhook.feed.break"]._notice_restore()
        cr.execute(
            """
            WITH pending AS (DELETE FROM webhook_feed_pending RETURNING id)
            INSERT INTO webhook_feed_position (event_id)
            SELECT event.id FROM pending JOIN update_webhook event ON event.id = pending.id
             ORDER BY event.id
            RETURNING event_id
            """
        )
        if new := [event_id for (event_id,) in cr.fetchall()]:
            self.env["webhook.tally"]._add(new)

    @api.model
    def _read_page(
        self,
        last_event_id,
        limit,
        models=None,
        events=None,
        priority=None,
        include_processed=True,
        latest=False,
    ):
        """Return the ``FeedPage`` after the cursor, with the events that the user may see.

        Uses cursors of its own, because the caller's took its snapshot long before, for
        authentication.

        :param latest: leave out events that a later one of the page replaces
        :raises AccessError: if the user may not read events, or not those of a model in ``models``
        :raises ValidationError: if none of the models in ``models`` exists, or if ``latest`` would
            leave out events that have to be confirmed
        """
        if latest and not include_processed:
            raise ValidationError(
                self.env._(
                    "'latest' leaves out events. One who confirms needs all of them: ask with "
                    "'include_processed' true, or without 'latest'."
                )
            )
        recorded = self.env["update.webhook"]
        recorded.check_access("read")
        unknown = recorded._check_models(models)
        ignored = {"unknown_models": unknown} if unknown else {}
        cursor = Cursor.decode(last_event_id)
        told = SQL("CASE WHEN reader.gone THEN 'unlink' ELSE e.event END")
        filters = (
            (SQL("e.model"), models),
            (told, events),
            (SQL("e.priority"), priority),
        )
        wanted = [SQL("%s = ANY(%s)", value, list(among)) for value, among in filters if among]
        self._assign_pending()
        if not include_processed:
            self.env["webhook.consumer"]._join()
        with self.env.registry.cursor() as cr:
            env = self.env(cr=cr)
            consumer = env["webhook.consumer"]._that_pulls()
            end, has_expired = env["webhook.feed.break"]._compare(cursor)
            if last_event_id and has_expired:
                return FeedPage([], self._expired_head() | ignored)
            start, seen = cursor.position, env["update.webhook"]._visible("e")
            if not include_processed:
                wanted.append(SQL("e.is_processed IS NOT TRUE"))
                if consumer:
                    start, seen = max(start, consumer._settled()), consumer._has_open("e")
            page, more = env["update.webhook"]._wire_page(
                SQL(" AND ").join([SQL("position.id > %s", start), seen, *wanted]), limit
            )
            if consumer and not include_processed and len(wanted) == 1:
                consumer._note_nothing_before(
                    cursor.position, page[0][0] if page else end.position + 1
                )
            found = [event for _position, event in page]
            if not env.su and env.user._webhook_follows_rules():
                # Who asks for unconfirmed events has to confirm them all.
                found = redact(env.user, found, tell_all=not include_processed)
            if latest:
                found = only_latest(found)
        # A reader who has read everything goes on at the end of the feed, and not at the last event
        # that its filters let through. Otherwise the cursor of a reader of rare events would grow
        # old.
        last = page[-1][0] if more else end.position
        return FeedPage(
            events=found,
            head=self._head(end._replace(position=last), len(found), more) | ignored,
        )

    def _head(self, cursor, count, has_more):
        return {
            "success": True,
            "last_id": cursor.encode(),
            "has_more": has_more,
            "count": count,
            "source": self.env["ir.config_parameter"].sudo().get_param("database.uuid"),
            "instance": self.env["webhook.place"]._instance(),
            "timestamp": fields.Datetime.now().isoformat() + "Z",
        }

    def _expired_head(self):
        """Say what to do. A reader that ignores it is sent to the start by ``last_id``."""
        return self._head(Cursor(0), 0, True) | {
            "cursor_expired": True,
            "message": "Events after this cursor were deleted because they are older than this "
            "database keeps them, or a backup was restored. Start again with last_event_id 0: that "
            "returns all events that are still there. What you keep of records may be outdated: "
            "read them again.",
        }


class WebhookFeedPending(models.Model):
    """Events that have no position yet, by their ids. Written together with ``update.webhook``."""

    _name = "webhook.feed.pending"
    _description = "Webhook Event without Position"
    _webhook_recordable = False
    _log_access = False

    id = BigId()


class WebhookFeedLock(models.Model):
    """A table that is always empty. The reader that gives out positions locks it.

    The event table cannot be locked instead, because LOCK TABLE would wait for every open writer. A
    table with rows cannot either, because autovacuum takes a lock that conflicts.
    """

    _name = "webhook.feed.lock"
    _description = "Lock of the Webhook Feed"
    _webhook_recordable = False
    _log_access = False
