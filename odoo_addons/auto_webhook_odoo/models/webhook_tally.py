import psycopg2

from odoo import api, fields, models
from odoo.tools import SQL

_MANY = 2_000  # rows: adding them up takes about a millisecond

# Per event, what makes a row of the tally; counted are events that have a position.
_KEYS = SQL("e.timestamp::date, e.model, e.company_id, e.priority")
_INSERT = SQL("INSERT INTO webhook_tally (day, model, company_id, priority, total, processed)")


class WebhookTally(models.Model):
    """How many events there are, so that nobody has to count a million of them.

    Rows are only added, in the transaction that changes what is counted, and are summed up when
    they are read: counters that are updated would make each confirmation wait for the others.
    """

    _name = "webhook.tally"
    _description = "Count of Webhook Events"
    _webhook_recordable = False
    _log_access = False

    day = fields.Date(required=True, readonly=True)
    model = fields.Char(required=True, readonly=True)
    company_id = fields.Integer(readonly=True, aggregator=None)
    priority = fields.Char(required=True, readonly=True)
    total = fields.Integer(readonly=True)
    processed = fields.Integer(readonly=True)

    @api.model
    def _add(self, event_ids):
        """Count events that have got their positions."""
        self.env.cr.execute(
            SQL(
                "%s SELECT %s, count(*), 0 FROM update_webhook e WHERE id = ANY(%s)"
                " GROUP BY 1, 2, 3, 4",
                _INSERT,
                _KEYS,
                event_ids,
            )
        )

    @api.model
    def _note_processed(self, event_ids):
        """Count events that have just been processed."""
        self.env.cr.execute(
            SQL(
                "%s SELECT %s, 0, count(*) FROM update_webhook e WHERE id = ANY(%s)"
                " GROUP BY 1, 2, 3, 4",
                _INSERT,
                _KEYS,
                event_ids,
            )
        )

    @api.model
    def _note_deletion(self, event_ids):
        """Count no longer what is going to be deleted."""
        self.env.cr.execute(
            SQL(
                """
                %s SELECT %s, -count(position.id), -count(*) FILTER (WHERE is_processed)
                     FROM update_webhook e
                     LEFT JOIN webhook_feed_position position ON position.event_id = e.id
                    WHERE e.id = ANY(%s) GROUP BY 1, 2, 3, 4
                """,
                _INSERT,
                _KEYS,
                list(event_ids),
            )
        )

    @api.model
    def _merge(self):
        """Add up the rows if there are many, or count anew if they cannot be true."""
        with self.env.registry.cursor() as cr:
            try:
                # the first statement, because it takes no snapshot: what others have merged is seen
                cr.execute(
                    "LOCK TABLE webhook_tally IN SHARE UPDATE EXCLUSIVE MODE NOWAIT",
                    log_exceptions=False,
                )
            except psycopg2.errors.LockNotAvailable:
                return  # somebody is at it
            cr.execute("SELECT count(*), sum(total) >= sum(processed) FROM webhook_tally")
            rows, is_possible = cr.fetchone()
            if not is_possible:  # or unknown, because there are no rows
                self.with_env(self.env(cr=cr))._count_anew()
            elif rows >= _MANY:
                cr.execute(
                    SQL(
                        """
                        WITH merged AS (DELETE FROM webhook_tally RETURNING *)
                        %s SELECT day, model, company_id, priority, sum(total), sum(processed)
                             FROM merged GROUP BY 1, 2, 3, 4
                           HAVING sum(total) <> 0 OR sum(processed) <> 0
                        """,
                        _INSERT,
                    )
                )

    @api.autovacuum
    def _gc_drift(self):
        """Count anew once a day: events may have been changed behind Odoo's back."""
        with self.env.registry.cursor() as cr:
            cr.execute("LOCK TABLE webhook_tally IN SHARE UPDATE EXCLUSIVE MODE")
            self.with_env(self.env(cr=cr))._count_anew()

    @api.model
    def _count_anew(self):
        """Replace what is visible to this transaction; what others add meanwhile is added to it."""
        self.env.cr.execute(
            SQL(
                """
                WITH outdated AS (DELETE FROM webhook_tally)
                %s SELECT %s, count(position.id), count(*) FILTER (WHERE is_processed)
                     FROM update_webhook e
                     LEFT JOIN webhook_feed_position position ON position.event_id = e.id
                    GROUP BY 1, 2, 3, 4
                """,
                _INSERT,
                _KEYS,
            )
        )

    @api.model
    def _knows_model(self, name):
        """Return whether there are events of a model, which may not exist any more."""
        return bool(self.sudo().search_count([("model", "=", name)], limit=1))
