from odoo import api, fields, models

from ..postgres import place
from ..postgres.bigints import BigInteger
from ..wire.cursor import Cursor

KINDS = [
    ("deleted", "Deleted"),  # retention deleted events up to this position
    ("restored", "Restored"),  # a backup that ends at this position was restored
]

_TABLE = "webhook_feed_position"
_IDENTITY_KEY = "auto_webhook_odoo.feed_identity"
# The readers of an earlier installation of the addon, or of the database that a restored backup
# replaces, bring the numbers of its breaks, which must not mean other breaks here. So a feed goes
# on with a number that no feed has reached by now. It counts the periods of eight hours since 2026:
# there are fewer breaks, except in the short run, which 64 more allow for.
_NEXT_FEED = """
    SELECT setval(
               'webhook_feed_break_id_seq',
               64 + greatest(last_value, (extract(epoch FROM now() - '2026-01-01') / 28800)::int)
           )
      FROM webhook_feed_break_id_seq
"""


class WebhookFeedBreak(models.Model):
    """A place where readers of the feed may miss something: cursors from before it expire.

    The id of the last break is the generation of the cursors that the feed gives out. A cursor has
    expired if a later break took events from its reader. A break of the kind *deleted* takes the
    events up to its position from readers who stood before that position. A break of the kind
    *restored* replaces the events behind its position for readers who had seen them.
    """

    _name = "webhook.feed.break"
    _description = "Break of the Webhook Feed"
    _webhook_recordable = False
    _log_access = False

    kind = fields.Selection(KINDS, required=True, readonly=True)
    position = BigInteger(required=True, readonly=True, aggregator=None)
    # set by retention: it is going to delete all events that were processed before this time
    processed_before = fields.Datetime(readonly=True)

    @api.model
    def _end(self):
        """Return the ``Cursor`` of a reader who has seen every event that has a position."""
        return self._compare(Cursor(0))[0]

    @api.model
    def _compare(self, cursor):
        """Return the cursor of the feed's end, and whether the given cursor has expired.

        A cursor has expired if its reader has missed events, or has seen events that were lost
        since.
        """
        self.env.cr.execute(
            """
            SELECT greatest((SELECT max(id) FROM webhook_feed_position), max(position), 0),
                   coalesce(max(id), 0),
                   coalesce(bool_or(
                        id > %(generation)s
                        AND CASE kind WHEN 'deleted' THEN position > %(position)s
                                      ELSE position < %(position)s END
                   ), FALSE)
              FROM webhook_feed_break
            """,
            cursor._asdict(),
        )
        *end, is_broken = self.env.cr.fetchone()
        end = Cursor(*end)
        return (
            end,
            is_broken or cursor.position > end.position or cursor.generation > end.generation,
        )

    @api.model
    def _note_deletion(self, event_ids, before=None):
        """Take these events out of the feed, and note a break so that readers learn of it.

        Retention deletes in many transactions, and a cursor has no room for a break for each of
        them. So the first one notes the break for all that follow within a day. A reader who starts
        after that is not told of them: they may have been deleted as well before it started.

        :param before: retention deletes the events that were processed before this time
        """
        self.env.cr.execute(
            """
            WITH gone AS (
                DELETE FROM webhook_feed_position WHERE event_id = ANY(%s) RETURNING id
            )
            SELECT max(id) FROM gone
            """,
            [list(event_ids)],
        )
        (position,) = self.env.cr.fetchone()
        if position and not self._is_noted(event_ids, position, before):
            # Generations must be committed in their order: the feed takes a reader who knows one to
            # know all smaller ones.
            self.env.cr.execute("LOCK TABLE webhook_feed_break IN EXCLUSIVE MODE")
            if before:
                position = max(position, self._last_outdated(before))
            self.sudo().create(
                {"kind": "deleted", "position": position, "processed_before": before}
            ).flush_recordset()

    def _is_noted(self, event_ids, position, before):
        """Return whether an earlier transaction of retention has noted these deletions, too."""
        self.env.cr.execute(
            """
            SELECT EXISTS (
                SELECT FROM webhook_feed_break
                 WHERE position >= %s AND processed_before > %s::timestamp - interval '1 day'
                   AND processed_before > (
                        SELECT max(processed_at) FROM update_webhook WHERE id = ANY(%s)
                       )
            )
            """,
            [position, before, list(event_ids)],
        )
        return self.env.cr.fetchone()[0]

    def _last_outdated(self, before):
        """Return the highest position of an event that was processed before a time, or 0."""
        self.env.cr.execute(
            """
            SELECT coalesce(max(position.id), 0)
              FROM update_webhook event
              JOIN webhook_feed_position position ON position.event_id = event.id
             WHERE event.is_processed AND event.processed_at < %s
            """,
            [before],
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _notice_restore(self):
        """Note a break if this is not the database that gave out the last position.

        To be called under the lock of the positions, before new ones are given out. A restored
        backup does not know that it is one. Only its place tells: the cluster, its timeline (it is
        new if a point in time was recovered or a standby took over), the database in the cluster,
        and the table of positions (it is new if a backup was restored over its own database).
        """
        cr = self.env.cr
        found, known = place.read(cr, _TABLE, _IDENTITY_KEY)
        here = _identity(found)
        if here == known:
            return
        identity = _completed(here, known) if known else None
        if not identity:
            cr.execute("LOCK TABLE webhook_feed_break IN EXCLUSIVE MODE")
            cr.execute(_NEXT_FEED)
            self.create({"kind": "restored", "position": self._end().position})
            identity = here
        if identity != known:
            self.env["ir.config_parameter"].set_param(_IDENTITY_KEY, identity)

    @api.autovacuum
    def _gc_outdone(self):
        """Delete breaks that a later one covers, because it reaches as far."""
        self.env.cr.execute(
            """
            DELETE FROM webhook_feed_break old USING webhook_feed_break new
             WHERE old.kind = 'deleted' AND new.kind = 'deleted'
               AND new.id > old.id AND new.position >= old.position
            """
        )


def _identity(here):
    """Return the parts of a place by which the feed knows its database, as one text."""
    parts = (here.cluster, here.timeline, here.database_oid, here.table_oid)
    return "/".join(str(part or "") for part in parts)


def _completed(here, known):
    """Return an identity with what was known of those parts that cannot be asked now.

    A part proves nothing if it cannot be asked, or could not be asked before: rights are taken and
    given. So it is kept, and compared when it can be asked again.

    :return: None if a part is another one than before
    """
    parts, known_parts = here.split("/"), known.split("/")
    if len(parts) != len(known_parts):
        return None
    pairs = list(zip(parts, known_parts, strict=True))
    if any(part and before and part != before for part, before in pairs):
        return None
    return "/".join(part or before for part, before in pairs)
