import psycopg2

from odoo import api, fields, models
from odoo.tools import SQL

from ..postgres.arrays import IntArray
from ..postgres.bigints import BigId, BigInteger

_MANY = 2_000  # rows beside the sums; adding them up takes about a millisecond

# What a row of the tally is about. Only events that have a position are counted.
_KEYS = SQL(
    "e.timestamp::date, e.model, e.priority, e.company_id, e.company_ids, e.left_company_ids"
)
_OF_ALL = SQL("%s, NULL::int8", _KEYS)
_COLUMNS = SQL("day, model, priority, company_id, company_ids, left_company_ids, consumer_id")
_INSERT = SQL("INSERT INTO webhook_tally (%s, total, processed)", _COLUMNS)
_INSERT_SUMS = SQL("INSERT INTO webhook_tally (%s, total, processed, is_sum)", _COLUMNS)


class WebhookTally(models.Model):
    """Counts of events, so that nothing has to count a million of them.

    Transactions that change what is counted add rows, and readers sum them up. Counters that are
    updated would make each confirmation wait for the others.
    """

    _name = "webhook.tally"
    _description = "Count of Webhook Events"
    _webhook_recordable = False
    _log_access = False

    id = BigId()
    day = fields.Date(required=True, readonly=True)
    model = fields.Char(required=True, readonly=True)
    company_id = fields.Integer(readonly=True, aggregator=None)
    company_ids = IntArray(string="Shown to Companies", readonly=True)
    left_company_ids = IntArray(string="Gone for Companies", readonly=True)
    priority = fields.Char(required=True, readonly=True)
    consumer_id = BigInteger(
        readonly=True,
        aggregator=None,
        help="If it is set, the row counts what this consumer has confirmed, or given up, of the "
        "events that are not processed yet.",
    )
    total = fields.Integer(readonly=True)
    processed = fields.Integer(readonly=True)
    is_sum = fields.Boolean(
        readonly=True, help="The row holds all that its key had when rows were merged."
    )

    @api.model
    def _add(self, event_ids):
        """Count events that have just got their positions."""
        self.env.cr.execute(
            SQL(
                "%s SELECT %s, count(*), 0 FROM update_webhook e WHERE id = ANY(%s)"
                " GROUP BY 1, 2, 3, 4, 5, 6, 7",
                _INSERT,
                _OF_ALL,
                event_ids,
            )
        )

    @api.model
    def _note_processed(self, event_ids, sign):
        """Count events that have just been processed.

        :param int sign: 1, or -1 if they have just been offered again
        """
        self.env.cr.execute(
            SQL(
                "%s SELECT %s, 0, %s * count(*) FROM update_webhook e WHERE id = ANY(%s)"
                " GROUP BY 1, 2, 3, 4, 5, 6, 7",
                _INSERT,
                _OF_ALL,
                sign,
                event_ids,
            )
        )

    @api.model
    def _note_confirmed(self, event_ids, consumer_ids, sign):
        """Count what consumers have confirmed of events that are not processed yet.

        :param consumer_ids: the consumer of each event
        :param int sign: 1, or -1 if the consumers do not count as done any more, or the events are
            processed now
        """
        self.env.cr.execute(
            SQL(
                """
                %s SELECT %s, known.consumer_id, 0, %s * count(*)
                     FROM unnest(%s::int8[], %s::int8[]) AS known(event_id, consumer_id)
                     JOIN update_webhook e ON e.id = known.event_id
                    GROUP BY 1, 2, 3, 4, 5, 6, 7
                """,
                _INSERT,
                _KEYS,
                sign,
                list(event_ids),
                list(consumer_ids),
            )
        )

    @api.model
    def _note_deletion(self, event_ids):
        """Subtract events that are going to be deleted."""
        self.env.cr.execute(
            SQL(
                """
                %s SELECT %s, -count(position.id), -count(*) FILTER (WHERE is_processed)
                     FROM update_webhook e
                     LEFT JOIN webhook_feed_position position ON position.event_id = e.id
                    WHERE e.id = ANY(%s) GROUP BY 1, 2, 3, 4, 5, 6, 7
                    UNION ALL
                   SELECT %s, known.consumer_id, 0, -count(*)
                     FROM webhook_confirmation known
                     JOIN update_webhook e ON e.id = known.event_id
                    WHERE e.id = ANY(%s) AND e.is_processed IS NOT TRUE GROUP BY 1, 2, 3, 4, 5, 6, 7
                """,
                _INSERT,
                _OF_ALL,
                list(event_ids),
                _KEYS,
                list(event_ids),
            )
        )

    @api.model
    def _merge(self):
        """Merge the rows if there are many. Count anew if the sums are impossible."""
        with self.env.registry.cursor() as cr:
            try:
                # It comes first: it takes no snapshot, so later statements see what others merged.
                cr.execute(
                    "LOCK TABLE webhook_tally IN SHARE UPDATE EXCLUSIVE MODE NOWAIT",
                    log_exceptions=False,
                )
            except psycopg2.errors.LockNotAvailable:
                return  # another process is merging
            cr.execute(
                """
                SELECT count(*) FILTER (WHERE is_sum IS NOT TRUE),
                       sum(total) >= sum(processed) FILTER (WHERE consumer_id IS NULL)
                  FROM webhook_tally
                """
            )
            rows, is_possible = cr.fetchone()
            if not is_possible:  # also if there are no rows
                self.with_env(self.env(cr=cr))._count_anew()
            elif rows >= _MANY:
                cr.execute(
                    SQL(
                        """
                        WITH merged AS (DELETE FROM webhook_tally RETURNING *)
                        %s SELECT %s, sum(total), sum(processed), TRUE
                             FROM merged GROUP BY 1, 2, 3, 4, 5, 6, 7
                           HAVING sum(total) <> 0 OR sum(processed) <> 0
                        """,
                        _INSERT_SUMS,
                        _COLUMNS,
                    )
                )

    @api.autovacuum
    def _gc_drift(self):
        """Count anew once a day, because SQL may have changed events behind Odoo's back."""
        with self.env.registry.cursor() as cr:
            cr.execute("LOCK TABLE webhook_tally IN SHARE UPDATE EXCLUSIVE MODE")
            self.with_env(self.env(cr=cr))._count_anew()

    @api.model
    def _count_anew(self):
        """Replace the rows that this transaction sees. Rows that others add meanwhile stay."""
        self.env.cr.execute(
            SQL(
                """
                WITH outdated AS (DELETE FROM webhook_tally)
                %s SELECT %s, count(position.id), count(*) FILTER (WHERE is_processed), TRUE
                     FROM update_webhook e
                     LEFT JOIN webhook_feed_position position ON position.event_id = e.id
                    GROUP BY 1, 2, 3, 4, 5, 6, 7
                    UNION ALL
                   SELECT %s, known.consumer_id, 0, count(*), TRUE
                     FROM webhook_confirmation known
                     JOIN update_webhook e ON e.id = known.event_id
                    WHERE e.is_processed IS NOT TRUE GROUP BY 1, 2, 3, 4, 5, 6, 7
                """,
                _INSERT_SUMS,
                _OF_ALL,
                _KEYS,
            )
        )

    @api.model
    def _unknown_models(self, names):
        """Return those of these names of models of which there are no events.

        A model that exists no more may have some.
        """
        known = {name for (name,) in self.sudo()._read_group([("model", "in", names)], ["model"])}
        return [name for name in names if name not in known]
