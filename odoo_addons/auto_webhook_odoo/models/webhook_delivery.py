from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..delivery.dispatcher import LEASE_MARGIN, Claim, deliver_due

STATES = [
    ("pending", "Pending"),  # waits for its next attempt, or is being sent right now
    ("delivered", "Delivered"),  # the endpoint accepted it
    ("dead", "Dead"),  # given up after the last attempt
    ("cancelled", "Cancelled"),  # withdrawn by an administrator
]

_BATCH = 100  # deliveries claimed at once


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
        "webhook.subscriber", required=True, readonly=True, ondelete="cascade"
    )
    # copies from the event: the claim looks for earlier deliveries of the same record
    model = fields.Char(required=True, readonly=True)
    record_id = fields.Integer(string="Record ID", required=True, readonly=True, aggregator=None)
    state = fields.Selection(STATES, required=True, readonly=True, default="pending")
    attempts = fields.Integer(readonly=True, help="How often the event was sent in vain or not.")
    next_attempt_at = fields.Datetime(
        required=True,
        readonly=True,
        help="Not sent before this time. While it is being sent: "
        "when another process may take it over.",
    )
    last_status = fields.Integer(
        string="Last HTTP Status", readonly=True, aggregator=None, help="Empty: no answer came."
    )
    last_error = fields.Text(readonly=True)
    delivered_at = fields.Datetime(readonly=True)

    _event_subscriber_unique = models.UniqueIndex("(event_id, subscriber_id)")
    _due_idx = models.Index("(next_attempt_at) WHERE state = 'pending'")
    _record_idx = models.Index(
        "(subscriber_id, model, record_id, event_id) WHERE state = 'pending'"
    )

    def action_retry(self):
        """Try again now, whatever came of the earlier attempts."""
        self.check_access("write")
        self.sudo().filtered(lambda delivery: delivery.state != "delivered").write(
            {"state": "pending", "attempts": 0, "next_attempt_at": fields.Datetime.now()}
        )
        self.env.ref("auto_webhook_odoo.cron_deliver")._trigger()

    def action_cancel(self):
        """Do not send these any more."""
        self.check_access("write")
        self.sudo().filtered(lambda delivery: delivery.state == "pending").write(
            {"state": "cancelled"}
        )

    @api.model
    def _schedule(self, instant):
        """Create the deliveries of instant events, in the transaction of the change.

        Earlier events of the same records that nobody has confirmed yet are taken along, so that
        a subscriber gets all events of a record in order. Deliveries that exist are left out by
        NOT EXISTS and not by ON CONFLICT: that one fails under REPEATABLE READ if the sender has
        just updated the row, and the user would wait for the retry.

        :param list instant: ``(event id, subscriber ids)``; no subscribers means all active ones
        :return: number of deliveries created
        """
        everyone = self.env["webhook.subscriber"].sudo().search([("active", "=", True)])
        pairs = [
            (event_id, subscriber_id)
            for event_id, chosen in instant
            for subscriber_id in everyone.ids
            if not chosen or subscriber_id in chosen
        ]
        if not pairs:
            return 0
        self.env.cr.execute(
            """
            INSERT INTO webhook_delivery (
                event_id, subscriber_id, model, record_id, state, attempts, next_attempt_at
            )
            SELECT event.id, pair.subscriber_id, event.model, event.record_id, 'pending', 0,
                   statement_timestamp() AT TIME ZONE 'UTC'
              FROM unnest(%s::int[], %s::int[]) pair(event_id, subscriber_id)
              JOIN update_webhook instant ON instant.id = pair.event_id
              JOIN update_webhook event
                ON event.model = instant.model AND event.record_id = instant.record_id
               AND event.id <= instant.id
               AND event.is_processed IS NOT TRUE AND event.failed_at IS NULL
             WHERE NOT EXISTS (
                    SELECT FROM webhook_delivery known
                     WHERE known.event_id = event.id
                       AND known.subscriber_id = pair.subscriber_id
               )
            ON CONFLICT DO NOTHING
            """,
            [list(column) for column in zip(*pairs, strict=True)],
        )
        return self.env.cr.rowcount

    @api.model
    def _cron_deliver(self):
        """Deliver what the fast path has missed, and what is due for another attempt."""
        # no transaction may be open while endpoints are talked to
        self.env.cr.commit()  # pylint: disable=invalid-commit
        deliver_due(self.env.registry)

    @api.model
    def _claim(self):
        """Lease the next due deliveries: of each record only the first, for order's sake.

        :return: list of ``Claim``, one for each subscriber
        """
        self.env.cr.execute(
            """
            WITH due AS (
                SELECT delivery.id
                  FROM webhook_delivery delivery
                  JOIN webhook_subscriber subscriber ON subscriber.id = delivery.subscriber_id
                 WHERE delivery.state = 'pending'
                   AND delivery.next_attempt_at <= clock_timestamp() AT TIME ZONE 'UTC'
                   AND subscriber.active
                   AND (subscriber.paused_until IS NULL
                        OR subscriber.paused_until <= clock_timestamp() AT TIME ZONE 'UTC')
                   AND NOT EXISTS (
                        SELECT FROM webhook_delivery earlier
                         WHERE earlier.state = 'pending'
                           AND earlier.subscriber_id = delivery.subscriber_id
                           AND earlier.model = delivery.model
                           AND earlier.record_id = delivery.record_id
                           AND earlier.event_id < delivery.event_id
                   )
                 ORDER BY delivery.event_id
                 LIMIT %s
                   FOR NO KEY UPDATE OF delivery SKIP LOCKED
            )
            UPDATE webhook_delivery delivery
               SET next_attempt_at = clock_timestamp() AT TIME ZONE 'UTC'
                   + make_interval(secs => %s + subscriber.timeout)
              FROM due, webhook_subscriber subscriber
             WHERE delivery.id = due.id AND subscriber.id = delivery.subscriber_id
            RETURNING delivery.id, delivery.event_id, delivery.subscriber_id
            """,
            [_BATCH, LEASE_MARGIN],
        )
        claims, leased = {}, sorted(self.env.cr.fetchall(), key=lambda row: row[1])
        event_ids = [event_id for _id, event_id, _subscriber_id in leased]
        rows = self.env["update.webhook"]._wire_rows(SQL("e.id = ANY(%s)", event_ids))
        events = {row["id"]: row for row in rows}
        source = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        for delivery_id, event_id, subscriber_id in leased:
            if subscriber_id not in claims:
                endpoint = self.env["webhook.subscriber"].browse(subscriber_id)._endpoint()
                claims[subscriber_id] = Claim(subscriber_id, endpoint, source, [])
            claims[subscriber_id].deliveries.append((delivery_id, events[event_id]))
        return list(claims.values())

    @api.model
    def _record(self, claim, outcomes):
        """Write down what came of a claim.

        :param dict outcomes: ``{delivery id: Outcome}``; a delivery that is not in it was not
            attempted, because the endpoint failed before or time ran out
        """
        subscriber = self.env["webhook.subscriber"].browse(claim.subscriber_id)
        now = fields.Datetime.now()
        for delivery_id, _event in claim.deliveries:
            delivery = self.browse(delivery_id)
            outcome = outcomes.get(delivery_id)
            if outcome is None:
                delivery.next_attempt_at = now
                continue
            values = {"last_status": outcome.status or 0, "last_error": outcome.error}
            if outcome.delivered:
                values |= {"state": "delivered", "delivered_at": now}
            if not outcome.endpoint_failed:
                values["attempts"] = delivery.attempts + 1
            if not outcome.delivered:
                delay = subscriber._retry_delay(values.get("attempts", 1))
                values["next_attempt_at"] = now + timedelta(seconds=delay)
                if values.get("attempts", 0) >= subscriber.max_attempts:
                    values["state"] = "dead"
            delivery.write(values)
        delivered = [delivery_id for delivery_id, outcome in outcomes.items() if outcome.delivered]
        if delivered and subscriber.confirm_on_delivery:
            self.browse(delivered).event_id._confirm()
        subscriber._record_health(outcomes.values())
