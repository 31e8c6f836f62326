from odoo import api, fields, models
from odoo.tools import SQL

from ..postgres.bigints import BigId, BigMany2one


class WebhookConfirmation(models.Model):
    """A consumer that is done with an event, while others are not.

    An event is processed when every consumer that it concerns has confirmed it or given it up. The
    last one of them marks the event itself as processed, and the rows of the others are deleted.
    So a single consumer needs no rows, and each further one a row per event, for a while. Only the
    row of a consumer that has given up stays, because somebody may offer the event again.

    A subscriber that confirms on delivery needs no rows: its deliveries tell.

    To be used in a READ COMMITTED transaction, with events that it has locked in the order of
    their ids. So each statement sees what other consumers confirmed before.
    """

    _name = "webhook.confirmation"
    _description = "Confirmation of a Webhook Event"
    _webhook_recordable = False
    _log_access = False
    _rec_name = "consumer_id"

    id = BigId()
    event_id = BigMany2one("update.webhook", required=True, readonly=True, ondelete="cascade")
    consumer_id = BigMany2one("webhook.consumer", required=True, readonly=True, ondelete="cascade")
    failed_at = fields.Datetime(
        string="Given Up",
        readonly=True,
        help="When the consumer gave up on the event. Empty: the consumer has confirmed it.",
    )
    failure = fields.Text(readonly=True, help="Why the consumer gave up on the event.")

    _event_consumer_unique = models.UniqueIndex("(event_id, consumer_id)")
    _failed_idx = models.Index("(consumer_id, event_id) WHERE failed_at IS NOT NULL")

    @api.model
    def _confirm(self, consumer, confirmed, failures):
        """Note what a consumer has confirmed, and what it has given up. Both may be repeated.

        :param consumer: ``webhook.consumer``
        :param list confirmed: ids of locked events
        :param dict failures: ``{id of a locked event: error}``; an error of an event that the
            consumer has confirmed changes nothing
        """
        failures = {i: failures[i] for i in failures.keys() - set(confirmed)}
        self._forget_failures(consumer, confirmed)
        given_up = self._note_failures(consumer, failures) if failures else []
        self._settle([*confirmed, *given_up], consumer)

    @api.model
    def _settle(self, event_ids, consumer=None):
        """Mark locked events as processed, except those that somebody else still has to confirm.

        :param consumer: the consumer that is done with them; None if deliveries were settled
        """
        consumers = self.env["webhook.consumer"]
        held = self._held(event_ids, consumers._who_confirm() - (consumer or consumers))
        if held and consumer:
            self._note(consumer, sorted(held))
        self._process([event_id for event_id in event_ids if event_id not in held])

    @api.model
    def _held(self, event_ids, consumers):
        """Return the ids of those events that one of these consumers has not confirmed yet."""
        users = consumers.filtered("user_id")
        conditions = [consumer._has_open("e") for consumer in users]
        if consumers - users:
            conditions.append(
                SQL(
                    """
                    EXISTS (
                        SELECT FROM webhook_delivery delivery
                         WHERE delivery.event_id = e.id AND delivery.state = 'pending'
                           AND delivery.subscriber_id = ANY(%s)
                    )
                    """,
                    (consumers - users).subscriber_id.ids,
                )
            )
        if not conditions:
            return set()
        rows = self.env.execute_query(
            SQL(
                "SELECT e.id FROM update_webhook e WHERE e.id = ANY(%s)"
                " AND e.is_processed IS NOT TRUE AND (%s)",
                list(event_ids),
                SQL(" OR ").join(conditions),
            )
        )
        return {event_id for (event_id,) in rows}

    @api.model
    def _note(self, consumer, event_ids):
        """Note that a consumer is done with events that others still have to confirm."""
        self._run_and_count(
            SQL(
                """
                INSERT INTO webhook_confirmation (event_id, consumer_id)
                SELECT unnest(%s::int8[]), %s ON CONFLICT (event_id, consumer_id) DO NOTHING
                RETURNING event_id, consumer_id
                """,
                list(event_ids),
                consumer.id,
            ),
            1,
        )

    @api.model
    def _process(self, event_ids):
        """Mark events as processed, and delete the rows that are not needed any more."""
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE update_webhook
                   SET is_processed = TRUE,
                       processed_at = statement_timestamp() AT TIME ZONE 'UTC'
                 WHERE id = ANY(%s) AND is_processed IS NOT TRUE
                RETURNING id
                """,
                list(event_ids),
            )
        )
        if not rows:
            return
        processed = [event_id for (event_id,) in rows]
        self.env["webhook.tally"]._note_processed(processed, 1)
        self._run_and_count(
            SQL(
                """
                WITH known AS (
                    SELECT id, event_id, consumer_id, failed_at FROM webhook_confirmation
                     WHERE event_id = ANY(%s)
                ),
                gone AS (
                    DELETE FROM webhook_confirmation
                     WHERE id = ANY(ARRAY(SELECT id FROM known WHERE failed_at IS NULL))
                )
                SELECT event_id, consumer_id FROM known
                """,
                processed,
            ),
            -1,
        )

    def _run_and_count(self, query, sign):
        """Run a query that returns ``(event id, consumer id)``, and add its rows to the tally.

        The tally counts what consumers have confirmed of the events that are not processed.
        """
        rows = self.env.execute_query(query)
        if rows:
            self.env["webhook.tally"]._note_confirmed(*zip(*rows, strict=True), sign)
        self.invalidate_model()
        return [event_id for event_id, _consumer_id in rows]

    @api.model
    def _note_failures(self, consumer, failures):
        """Note what a consumer has given up, and return the ids of those events."""
        event_ids, errors = zip(*sorted(failures.items()), strict=True)
        rows = self.env.execute_query(
            SQL(
                """
                INSERT INTO webhook_confirmation AS known (
                    event_id, consumer_id, failed_at, failure
                )
                SELECT event.id, %(consumer)s, statement_timestamp() AT TIME ZONE 'UTC',
                       reported.error
                  FROM unnest(%(events)s::int8[], %(errors)s::text[]) AS reported(id, error)
                  JOIN update_webhook event ON event.id = reported.id
                 WHERE event.is_processed IS NOT TRUE OR EXISTS (
                        SELECT FROM webhook_confirmation
                         WHERE event_id = event.id AND consumer_id = %(consumer)s
                       )
                ON CONFLICT (event_id, consumer_id) DO UPDATE
                   SET failed_at = excluded.failed_at, failure = excluded.failure
                 WHERE known.failed_at IS NOT NULL
                RETURNING event_id, xmax = 0
                """,
                consumer=consumer.id,
                events=list(event_ids),
                errors=list(errors),
            )
        )
        new = [event_id for event_id, is_new in rows if is_new]
        if new:
            self.env["webhook.tally"]._note_confirmed(new, [consumer.id] * len(new), 1)
        given_up = [event_id for event_id, _is_new in rows]
        self._summarise(given_up)
        return given_up

    @api.model
    def _forget_failures(self, consumer, event_ids):
        """Note that a consumer has handled events that it had given up."""
        failed = [
            event_id
            for (event_id,) in self.env.execute_query(
                SQL(
                    """
                    UPDATE webhook_confirmation SET failed_at = NULL, failure = NULL
                     WHERE consumer_id = %s AND event_id = ANY(%s) AND failed_at IS NOT NULL
                    RETURNING event_id
                    """,
                    consumer.id,
                    list(event_ids),
                )
            )
        ]
        if failed:
            self.env.cr.execute(
                SQL(
                    """
                    DELETE FROM webhook_confirmation known USING update_webhook event
                     WHERE known.event_id = ANY(%s) AND known.failed_at IS NULL
                       AND event.id = known.event_id AND event.is_processed
                    """,
                    failed,
                )
            )
            self._summarise(failed)

    @api.model
    def _summarise(self, event_ids):
        """Show in events whether a consumer has given up on them, and why."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE update_webhook event SET failed_at = known.failed_at, failure = known.failure
                  FROM unnest(%s::int8[]) AS changed(id)
                  LEFT JOIN LATERAL (
                        SELECT failed_at, failure FROM webhook_confirmation
                         WHERE event_id = changed.id AND failed_at IS NOT NULL
                         ORDER BY failed_at DESC LIMIT 1
                       ) known ON TRUE
                 WHERE event.id = changed.id
                """,
                list(event_ids),
            )
        )
        self.env["update.webhook"].invalidate_model()

    @api.model
    def _reopen(self, event_ids, consumer=None):
        """Take back what was confirmed, or given up, of locked events.

        :param consumer: whose confirmations are taken back; None: of those who have given up
        :return: the ids of the events that somebody has to confirm again
        """
        whose = SQL("consumer_id = %s", consumer.id) if consumer else SQL("failed_at IS NOT NULL")
        dropped = self.env.execute_query(
            SQL(
                """
                DELETE FROM webhook_confirmation known USING update_webhook event
                 WHERE known.event_id = ANY(%s) AND known.%s AND event.id = known.event_id
                RETURNING known.event_id, known.consumer_id, coalesce(event.is_processed, FALSE)
                """,
                list(event_ids),
                whose,
            )
        )
        counted = [row[:2] for row in dropped if not row[2]]
        if counted:
            self.env["webhook.tally"]._note_confirmed(*zip(*counted, strict=True), -1)
        again = consumer or self.env["webhook.consumer"].browse({row[1] for row in dropped})
        wanted = event_ids if consumer else [row[0] for row in dropped]
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE update_webhook
                   SET is_processed = FALSE, processed_at = NULL, is_archived = FALSE
                 WHERE id = ANY(%s) AND is_processed
                RETURNING id
                """,
                list(wanted),
            )
        )
        reopened = [event_id for (event_id,) in rows]
        if reopened:
            self.env["webhook.tally"]._note_processed(reopened, -1)
            offered = {row[:2] for row in dropped} | {
                (event_id, consumer.id) for event_id in (reopened if consumer else ())
            }
            self._keep_confirmed(reopened, offered)
        self._summarise(wanted)
        again._start_over()
        return wanted

    @api.model
    def _offer(self, event_ids, consumer=None):
        """Offer locked events again. Consumers find them with their next pull; see ``_reopen``."""
        offered = self._reopen(event_ids, consumer)
        self.env.cr.execute(
            SQL(
                "UPDATE update_webhook SET offered_at = statement_timestamp() AT TIME ZONE 'UTC'"
                " WHERE id = ANY(%s)",
                list(offered),
            )
        )
        self.env["update.webhook"].invalidate_model()

    def _keep_confirmed(self, event_ids, offered):
        """Note for events that are open again that all other consumers are done with them.

        :param set offered: ``(event id, id of a consumer that gets the event again)``
        """
        # Also for those who do not confirm now: they may come back, and have settled these events.
        consumers = self.env["webhook.consumer"].sudo().with_context(active_test=False)
        for consumer in consumers.search([("user_id", "!=", False)]):
            kept = [event_id for event_id in event_ids if (event_id, consumer.id) not in offered]
            given_up = self._run_and_count(
                SQL(
                    "SELECT event_id, consumer_id FROM webhook_confirmation"
                    " WHERE consumer_id = %s AND event_id = ANY(%s)",
                    consumer.id,
                    kept,
                ),
                1,
            )
            self._note(consumer, sorted(set(kept).difference(given_up)))
