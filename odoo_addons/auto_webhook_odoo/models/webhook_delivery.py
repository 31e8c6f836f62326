import collections

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..delivery import sender
from ..delivery.dispatcher import LEASE_MARGIN, Claim
from ..delivery.transport import longest_attempt
from .update_webhook import WIRE_COLUMNS, WIRE_TABLES

STATES = [
    ("pending", "Pending"),  # waits for its next attempt, or is being sent right now
    ("delivered", "Delivered"),  # the endpoint accepted it
    ("dead", "Dead"),  # given up after the last attempt
    ("cancelled", "Cancelled"),  # withdrawn by an administrator, or a dry run
]

_CRON_SECONDS = 50  # a run ends before the next is due

_MOST_SELECTED = 20_000  # Odoo's web client passes no more ids to a button

_LOOKS = 20  # batches that one claim looks at if all they hold has to wait for earlier events

_SCHEDULE = """
    INSERT INTO webhook_delivery (
        event_id, subscriber_id, model, record_id, attempts, next_attempt_at, state, last_error
    )
    SELECT event.id, subscriber.id, event.model, event.record_id, 0,
           statement_timestamp() AT TIME ZONE 'UTC',
           CASE WHEN subscriber.state = 'dry_run' THEN 'cancelled' ELSE 'pending' END,
           CASE WHEN subscriber.state = 'dry_run' THEN %(dry_run)s END
      FROM unnest(%(event_ids)s::int[], %(choices)s::int[]) chosen(event_id, subscriber_id)
      JOIN webhook_subscriber subscriber
        ON subscriber.active AND subscriber.id = coalesce(chosen.subscriber_id, subscriber.id)
      JOIN update_webhook instant ON instant.id = chosen.event_id
      LEFT JOIN LATERAL (
            SELECT earlier.id
              FROM update_webhook earlier
             WHERE earlier.model = instant.model AND earlier.record_id = instant.record_id
               AND earlier.id < instant.id AND earlier.is_processed IS NOT TRUE
               AND EXISTS (
                    SELECT FROM webhook_delivery known
                     WHERE known.event_id = earlier.id AND known.subscriber_id = subscriber.id
                   )
             ORDER BY earlier.id DESC
             LIMIT 1
           ) scheduled ON TRUE  -- it has taken along all before it
      JOIN update_webhook event
        ON event.model = instant.model AND event.record_id = instant.record_id
       AND event.id BETWEEN coalesce(scheduled.id + 1, 0) AND instant.id
       AND event.is_processed IS NOT TRUE AND event.failed_at IS NULL AND event.offered_at IS NULL
     WHERE NOT EXISTS (
            SELECT FROM webhook_delivery known
             WHERE known.event_id = event.id AND known.subscriber_id = subscriber.id
       )
    ON CONFLICT DO NOTHING
    RETURNING subscriber_id
"""

# Leases the first deliveries that are due, in the order of the index, so that it does not matter
# how many wait. One whose record has an earlier delivery elsewhere (leased by another process, or
# waiting for its retry) is put off until that one is due; when it is settled, it wakes those it
# held up. LATERAL and arrays, because the planner knows nothing yet of a table just filled.
_CLAIM = f"""
    WITH lease AS (
        SELECT statement_timestamp() AT TIME ZONE 'UTC' + make_interval(secs => %(lease)s) AS until
    ),
    due AS (
        SELECT id, model, record_id, event_id, attempts, replayed
          FROM webhook_delivery
         WHERE subscriber_id = %(subscriber_id)s AND state = 'pending'
           AND next_attempt_at <= statement_timestamp() AT TIME ZONE 'UTC'
         ORDER BY next_attempt_at, event_id
         LIMIT %(limit)s
           FOR NO KEY UPDATE SKIP LOCKED
    ),
    held AS (
        SELECT due.id, earlier.next_attempt_at
          FROM due
         CROSS JOIN LATERAL (
                SELECT next_attempt_at
                  FROM webhook_delivery
                 WHERE subscriber_id = %(subscriber_id)s AND state = 'pending'
                   AND model = due.model AND record_id = due.record_id
                   AND event_id < due.event_id
                   AND replayed IS NOT TRUE AND due.replayed IS NOT TRUE
                   AND id NOT IN (SELECT id FROM due)
                 ORDER BY event_id DESC
                 LIMIT 1
               ) earlier
    ),
    put_off AS (
        UPDATE webhook_delivery delivery
           SET next_attempt_at = greatest(
                   (SELECT next_attempt_at FROM held WHERE held.id = delivery.id),
                   statement_timestamp() AT TIME ZONE 'UTC' + interval '1 second'
               )
         WHERE id = ANY(ARRAY(SELECT id FROM held))
    ),
    leased AS (
        UPDATE webhook_delivery
           SET next_attempt_at = lease.until, leased_until = lease.until
          FROM lease
         WHERE id = ANY(ARRAY(SELECT id FROM due WHERE id NOT IN (SELECT id FROM held)))
    )
    SELECT due.id AS delivery_id, due.attempts, due.replayed, lease.until AS leased_until,
           due.id IN (SELECT id FROM held) AS held, event.*
      FROM lease
     CROSS JOIN due
     CROSS JOIN LATERAL (
            SELECT {WIRE_COLUMNS} FROM {WIRE_TABLES} WHERE e.id = due.event_id LIMIT 1
           ) event
     ORDER BY due.event_id
"""  # noqa: S608  # constants

# What was delivered is delivered. Any other outcome counts only while the lease is still ours;
# whoever has taken the delivery over will tell what came of it.
_RECORD = """
    WITH outcome AS (
        SELECT * FROM unnest(
            %(id)s::int[], %(state)s::text[], %(attempts)s::int[], %(delay)s::float[],
            %(status)s::int[], %(error)s::text[]
        ) AS outcome(id, state, attempts, delay, status, error)
    )
    UPDATE webhook_delivery delivery
       SET state = outcome.state,
           attempts = outcome.attempts,
           next_attempt_at = statement_timestamp() AT TIME ZONE 'UTC'
               + make_interval(secs => outcome.delay),
           leased_until = NULL,
           last_status = outcome.status,
           last_error = outcome.error,
           delivered_at = CASE WHEN outcome.state = 'delivered'
               THEN statement_timestamp() AT TIME ZONE 'UTC' END
      FROM outcome
     WHERE delivery.id = outcome.id
       AND delivery.id = ANY(%(id)s)  -- or the planner reads the whole table
       AND (outcome.state = 'delivered'
            OR delivery.state = 'pending' AND delivery.leased_until = %(leased_until)s)
    RETURNING delivery.id, delivery.state
"""

_RELEASE = """
    UPDATE webhook_delivery
       SET next_attempt_at = statement_timestamp() AT TIME ZONE 'UTC', leased_until = NULL
     WHERE id = ANY(%s) AND state = 'pending' AND leased_until = %s
"""

# To be run in a transaction of its own: what began to wait for a delivery before it was settled is
# seen then, and what another process is just putting off is waited for. The past hour lets them go
# before the others of their record. Nothing waits for a replay.
_WAKE_LATER = """
    UPDATE webhook_delivery
       SET next_attempt_at = least(
               next_attempt_at,
               statement_timestamp() AT TIME ZONE 'UTC' - interval '1 hour'
           )
     WHERE id = ANY(ARRAY(
            SELECT later.id
              FROM (
                    SELECT subscriber_id, model, record_id, max(event_id) AS event_id
                      FROM webhook_delivery
                     WHERE id = ANY(%s) AND replayed IS NOT TRUE
                     GROUP BY subscriber_id, model, record_id
                   ) settled
             CROSS JOIN LATERAL (
                    SELECT id
                      FROM webhook_delivery
                     WHERE subscriber_id = settled.subscriber_id AND state = 'pending'
                       AND model = settled.model AND record_id = settled.record_id
                       AND event_id > settled.event_id AND leased_until IS NULL
                     ORDER BY event_id
                     LIMIT 100
                   ) later
           ))
       AND state = 'pending' AND leased_until IS NULL
"""


class WebhookDelivery(models.Model):
    """One event on its way to one subscriber.

    ``next_attempt_at`` is also the lease: claiming a delivery moves it into the future. A process
    that dies while sending needs no cleaning up; the delivery simply becomes due again.
    """

    _name = "webhook.delivery"
    _description = "Webhook Delivery"
    _webhook_recordable = False
    _log_access = False
    _order = "id DESC"
    _rec_name = "event_id"

    event_id = fields.Many2one("update.webhook", required=True, readonly=True, ondelete="cascade")
    subscriber_id = fields.Many2one(
        "webhook.subscriber", required=True, readonly=True, ondelete="cascade", index=True
    )
    # copies from the event: the claim looks for earlier deliveries of the same record
    model = fields.Char(required=True, readonly=True)
    record_id = fields.Integer(string="Record ID", required=True, readonly=True, aggregator=None)
    state = fields.Selection(STATES, required=True, readonly=True, default="pending")
    confirmed = fields.Boolean(
        related="event_id.is_processed",
        string="Confirmed",
        help="The receiver has handled the event. Delivered only means that it was accepted.",
    )
    attempts = fields.Integer(
        readonly=True,
        aggregator=None,
        help="Attempts that count. One that fails because the endpoint is away does not.",
    )
    next_attempt_at = fields.Datetime(
        required=True,
        readonly=True,
        help="Not sent before this time. While it is being sent: when it is tried again if "
        "nothing comes of that.",
    )
    leased_until = fields.Datetime(
        readonly=True, help="It is being sent right now, at the latest until then."
    )
    last_status = fields.Integer(
        string="Last Answer",
        readonly=True,
        aggregator=None,
        help="The number of the HTTP answer; 200 means accepted. Empty: no answer came.",
    )
    last_error = fields.Text(readonly=True)
    delivered_at = fields.Datetime(readonly=True)
    replayed = fields.Boolean(
        readonly=True,
        help="Sent again on request. Later events of the record may have arrived before, so the "
        "message says that it is a replay.",
    )
    attempt_ids = fields.One2many("webhook.attempt", "delivery_id", string="Attempt History")

    _event_subscriber_unique = models.UniqueIndex("(event_id, subscriber_id)")
    _due_idx = models.Index("(subscriber_id, next_attempt_at, event_id) WHERE state = 'pending'")
    _record_idx = models.Index(
        "(subscriber_id, model, record_id, event_id) WHERE state = 'pending'"
    )
    _stopped_idx = models.Index("(subscriber_id, id) WHERE state IN ('dead', 'cancelled')")

    def action_retry(self):
        """Try again now, whatever came of the earlier attempts.

        :raises UserError: for more than a list can select, because some would be left out silently
        """
        self._check_manager()
        if len(self) >= _MOST_SELECTED:
            raise UserError(
                self.env._(
                    "A list selects no more than %s deliveries. Use a replay to send all of a "
                    "subscriber's deliveries again.",
                    _MOST_SELECTED,
                )
            )
        self.sudo()._retry()

    def action_cancel(self):
        """Do not send these any more."""
        self._check_manager()
        pending = self.sudo().filtered(lambda delivery: delivery.state == "pending")
        pending.write({"state": "cancelled"})
        waiting = pending.filtered(lambda delivery: not delivery.leased_until)
        self._wake_later(waiting.ids)
        sender.wake_sender(self.env.cr, pending.subscriber_id.ids)

    def _check_manager(self):
        """Only managers may, and only with what they see."""
        if not self.env.user.has_group("auto_webhook_odoo.group_webhook_manager"):
            raise AccessError(self.env._("Only webhook managers may retry or cancel deliveries."))
        self.check_access("read")

    def _retry(self):
        """Have these sent now, but not what is being sent already."""
        now = fields.Datetime.now()
        again = {"state": "pending", "attempts": 0, "next_attempt_at": now, "leased_until": False}
        waiting = self.filtered(lambda delivery: delivery.state == "pending")
        waiting.filtered(lambda d: not d.leased_until or d.leased_until < now).write(again)
        (self - waiting).write({**again, "replayed": True, "delivered_at": False})
        sender.wake_sender(self.env.cr, self.subscriber_id.ids)

    def _wake_later(self, settled_ids):
        """Let go of the later deliveries of a record that waited for these."""
        if settled_ids:
            self.flush_model()
            self.env.cr.execute(_WAKE_LATER, [list(settled_ids)])
            self.invalidate_model(["next_attempt_at"])

    @api.model
    def _schedule(self, instant):
        """Create the deliveries of instant events, in the transaction of the change.

        Earlier events of the same records that nobody has confirmed yet are taken along, so that
        a subscriber gets all events of a record in order; those that a receiver has once failed to
        handle are left to the pull. Deliveries that exist are left out by NOT EXISTS and not by ON
        CONFLICT: that one fails under REPEATABLE READ if the sender has just updated the row, and
        the user would wait for the retry.

        :param list instant: ``(event id, subscriber ids)``; no subscribers means all active ones
        """
        pairs = [(event_id, choice) for event_id, ids in instant for choice in ids or (None,)]
        event_ids, choices = zip(*pairs, strict=True)
        dry_run = self.env._("Dry run: recorded, not sent.")
        self.env.cr.execute(
            _SCHEDULE,
            {"event_ids": list(event_ids), "choices": list(choices), "dry_run": dry_run},
        )
        subscriber_ids = {subscriber_id for (subscriber_id,) in self.env.cr.fetchall()}
        if subscriber_ids:
            sender.wake_sender(self.env.cr, subscriber_ids)

    @api.model
    def _cron_deliver(self):
        """Deliver what the fast path has missed, and what is due for another attempt."""
        waiting = self.env["webhook.subscriber"].search([("state", "=", "enabled")])
        # no transaction may be open while endpoints are talked to
        self.env.cr.commit()  # pylint: disable=invalid-commit
        sender.wake(self.env.cr.dbname, waiting.ids)
        sender.wait_until_idle(self.env.cr.dbname, _CRON_SECONDS)

    @api.model
    def _claim(self, subscriber_id):
        """Lease the next due deliveries to a subscriber.

        Of each record, what is claimed begins with its first pending delivery, for order's sake.

        :return: ``Claim``
        """
        subscribers = self.env["webhook.subscriber"]
        admission = subscribers._admit(subscriber_id)
        if not admission:
            return Claim(subscriber_id)
        endpoint, limit = admission.endpoint, admission.limit
        deliveries = self._lease(subscriber_id, limit, endpoint.timeout) if limit else []
        if not deliveries:
            return Claim(subscriber_id, wait=self._seconds_until_due(subscriber_id))
        subscribers.browse(subscriber_id)._note_claimed(admission, len(deliveries))
        source = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        return Claim(subscriber_id, endpoint=endpoint, source=source, deliveries=deliveries)

    @api.model
    def _lease(self, subscriber_id, limit, timeout):
        """Return the deliveries that are this process' until ``timeout`` and a margin are over."""
        lease = LEASE_MARGIN + longest_attempt(timeout)
        parameters = {"subscriber_id": subscriber_id, "limit": limit, "lease": lease}
        for _look in range(_LOOKS):
            self.env.cr.execute(_CLAIM, parameters)
            found = self.env.cr.dictfetchall()
            leased = [delivery for delivery in found if not delivery["held"]]
            if leased or not found:
                break
        return leased

    @api.model
    def _seconds_until_due(self, subscriber_id):
        """Return how long to wait for the next attempt, or None if nothing is waiting."""
        self.env.cr.execute(
            """
            SELECT extract(epoch FROM greatest(
                       delivery.next_attempt_at, subscriber.paused_until, subscriber.next_batch_at
                   ) - statement_timestamp() AT TIME ZONE 'UTC')::float
              FROM webhook_delivery delivery
              JOIN webhook_subscriber subscriber ON subscriber.id = delivery.subscriber_id
             WHERE delivery.subscriber_id = %s AND delivery.state = 'pending'
             ORDER BY delivery.next_attempt_at
             LIMIT 1
            """,
            [subscriber_id],
        )
        found = self.env.cr.fetchone()
        # never at once: what is due now and could not be claimed is in somebody else's hands
        return max(found[0], 0.1) if found else None

    @api.model
    def _record(self, claim, outcomes):
        """Write down what came of a claim.

        :param dict outcomes: ``{delivery id: Outcome}``; a delivery that is not in it was not
            attempted, because the endpoint failed before or time ran out
        :return: ids of the deliveries that are settled; once this is committed, ``_wake_later``
        """
        subscriber = self.env["webhook.subscriber"].browse(claim.subscriber_id)
        tried = [d for d in claim.deliveries if d["delivery_id"] in outcomes]
        left = [d["delivery_id"] for d in claim.deliveries if d["delivery_id"] not in outcomes]
        leased_until = claim.deliveries[0]["leased_until"]
        settled = []
        if tried:
            rows = [subscriber._settle(d, outcomes[d["delivery_id"]]) for d in tried]
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            self.env.cr.execute(_RECORD, {**columns, "leased_until": leased_until})
            settled = [i for i, state in self.env.cr.fetchall() if state != "pending"]
        if left:
            self.env.cr.execute(_RELEASE, [left, leased_until])
        self.invalidate_model()
        self.env["webhook.attempt"]._log(tried, outcomes)
        if subscriber.confirm_on_delivery:
            self.env["update.webhook"]._confirm(
                [d["id"] for d in tried if outcomes[d["delivery_id"]].delivered]
            )
        subscriber._record_health(collections.Counter(outcomes.values()))
        return settled
