import dataclasses

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..delivery import claiming, sender, statements
from ..delivery.dispatcher import LEASE_MARGIN, Claim, Health, Leased
from ..delivery.endpoint import Endpoint
from ..delivery.transport import longest_attempt
from ..postgres.bigints import BigId, BigMany2one
from ..postgres.transactions import read_committed

STATES = [
    ("pending", "Pending"),  # waits for its next attempt, or is being sent
    ("delivered", "Delivered"),  # the endpoint accepted it
    ("dead", "Dead"),  # given up after the last attempt
    # a manager cancelled it, it was a dry run, or the receiver confirmed the event before
    ("cancelled", "Cancelled"),
]

_TURN = 10  # seconds; the time that Odoo gives a cron before others have their turn (ir.cron)

_MOST_SELECTED = 20_000  # deliveries; Odoo's web client passes no more ids to a button

_MESSAGES = 4  # that one claim fills; more would mean fewer claims, but more repeats after a crash

# columns at the beginning of a claim's rows
_OF_ENDPOINT = len(dataclasses.fields(Endpoint))
_OF_DELIVERY = _OF_ENDPOINT + len(Health._fields)

_LOOKS = 20  # batches that a claim looks at while no delivery in them is to be sent


class WebhookDelivery(models.Model):
    """One event on its way to one subscriber.

    ``next_attempt_at`` is also the lease: claiming a delivery moves it into the future. If a
    process dies while it sends, nothing has to be cleaned up: the delivery becomes due again.

    ``webhook_delivery_request.py`` shows the request.
    """

    _name = "webhook.delivery"
    _description = "Webhook Delivery"
    _webhook_recordable = False
    _log_access = False
    _order = "id DESC"
    _rec_name = "event_id"

    id = BigId()
    event_id = BigMany2one("update.webhook", required=True, readonly=True, ondelete="cascade")
    subscriber_id = fields.Many2one(
        "webhook.subscriber", required=True, readonly=True, ondelete="cascade", index=True
    )
    # copied from the event, because the claim looks for earlier deliveries of the same record
    model = fields.Char(required=True, readonly=True)
    record_id = fields.Integer(string="Record ID", required=True, readonly=True, aggregator=None)
    state = fields.Selection(STATES, required=True, readonly=True, default="pending")
    confirmed = fields.Boolean(
        related="event_id.is_processed",
        string="Confirmed",
        help="A receiver has handled the event. With Confirm on Delivery: the endpoint has "
        "accepted it. Delivered always means only that the endpoint has accepted the event.",
    )
    attempts = fields.Integer(
        readonly=True,
        aggregator=None,
        help="Attempts that count. An attempt does not count if the endpoint was away.",
    )
    suspected = fields.Integer(
        string="Attempts in Doubt",
        readonly=True,
        aggregator=None,
        help="Failed attempts that may be the endpoint's fault. As soon as another event gets "
        "through, one attempt counts.",
    )
    failed_epoch = fields.Integer(
        readonly=True,
        aggregator=None,
        help="The epoch of the subscriber in which the delivery failed last.",
    )
    next_attempt_at = fields.Datetime(
        required=True,
        readonly=True,
        help="The delivery is not sent before this time. While it is being sent: when it is tried "
        "again if Odoo stops before it knows the outcome.",
    )
    leased_until = fields.Datetime(
        readonly=True, help="The delivery is being sent right now, until this time at the latest."
    )
    last_status = fields.Integer(
        string="Last Answer",
        readonly=True,
        aggregator=None,
        help="HTTP status of the last answer; 200 to 299 mean accepted. Empty: no answer came.",
    )
    last_error = fields.Text(readonly=True)
    delivered_at = fields.Datetime(readonly=True)
    died_at = fields.Datetime(
        string="Given Up At",
        readonly=True,
        help="When the delivery was given up after its last attempt.",
    )
    replayed = fields.Boolean(
        readonly=True,
        help="Sent again on request. The message says so, because the endpoint may already have "
        "got later events of the record.",
    )
    attempt_ids = fields.One2many("webhook.attempt", "delivery_id", string="Attempt History")

    _event_subscriber_unique = models.UniqueIndex("(event_id, subscriber_id)")
    _due_idx = models.Index("(subscriber_id, next_attempt_at, event_id) WHERE state = 'pending'")
    _record_idx = models.Index(
        "(subscriber_id, model, record_id, event_id) WHERE state = 'pending'"
    )
    _suspected_idx = models.Index("(subscriber_id) WHERE suspected > 0 AND state = 'pending'")
    _stopped_idx = models.Index("(subscriber_id, id) WHERE state IN ('dead', 'cancelled')")
    _dead_idx = models.Index("(subscriber_id, died_at) WHERE state = 'dead'")

    def init(self):
        for statement in statements.PLANNED:
            statement.define(self.env.cr)

    def action_retry(self):
        """Try deliveries again now, whatever became of the earlier attempts.

        :raises UserError: for more deliveries than a list can select, because the others would be
            left out without a word
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
        """Cancel deliveries that are pending."""
        self._check_manager()
        pending = self.sudo().filtered(lambda delivery: delivery.state == "pending")
        pending.write({"state": "cancelled"})
        pending.flush_recordset()
        pending._settle_events()
        # A consumer may confirm at the same time, and neither of the two transactions sees the
        # other's part.
        self.env.cr.postcommit.add(pending._settle_events_again)
        waiting = pending.filtered(lambda delivery: not delivery.leased_until)
        self._wake_later(waiting.ids)
        sender.wake_sender(self.env.cr, pending.subscriber_id.ids)

    def _check_manager(self):
        """Check that the user may retry and cancel these deliveries.

        :raises AccessError: if the user is no webhook manager, or may not see all of them
        """
        if not self.env.user.has_group("auto_webhook_odoo.group_webhook_manager"):
            raise AccessError(self.env._("Only webhook managers may retry or cancel deliveries."))
        self.check_access("read")

    def _retry(self):
        """Make these deliveries due now, except those that are being sent already."""
        now = fields.Datetime.now()
        again = {
            "state": "pending",
            "attempts": 0,
            "suspected": 0,
            "failed_epoch": 0,
            "next_attempt_at": now,
            "leased_until": False,
        }
        waiting = self.filtered(lambda delivery: delivery.state == "pending")
        waiting.filtered(lambda d: not d.leased_until or d.leased_until < now).write(again)
        (self - waiting).write({**again, "replayed": True, "delivered_at": False})
        sender.wake_sender(self.env.cr, self.subscriber_id.ids)

    def _wake_later(self, settled_ids):
        """Make later deliveries of the same records due, which waited until these were settled."""
        if settled_ids:
            self.flush_model()
            self.env.cr.execute(statements.WAKE_LATER.call, {"settled": list(settled_ids)})
            self.invalidate_model(["next_attempt_at"])

    @api.model
    def _schedule(self, instant):
        """Create the deliveries of instant events, in the transaction of the change.

        Earlier unconfirmed events of the same records get deliveries, too, so that a subscriber
        gets all events of a record in order. Events that a receiver has once failed to handle are
        left to the pull.

        :param list instant: ``(event id, subscriber ids)``; no subscriber ids mean all active
            subscribers
        """
        pairs = [(event_id, choice) for event_id, ids in instant for choice in ids or (None,)]
        event_ids, choices = zip(*pairs, strict=True)
        dry_run = self.env._("Dry run: recorded, not sent.")
        self.env.cr.execute(
            statements.SCHEDULE.call,
            {"event_ids": list(event_ids), "choices": list(choices), "dry_run": dry_run},
        )
        subscriber_ids = {subscriber_id for (subscriber_id,) in self.env.cr.fetchall()}
        if subscriber_ids:
            sender.wake_sender(self.env.cr, subscriber_ids)

    @api.model
    def _cron_deliver(self):
        """Deliver what the lanes have missed, and what is due for another attempt.

        If much waits, the other crons have their turn now and then.
        """
        self.env["webhook.place"]._update_notices()
        waiting = self.env["webhook.subscriber"].search([("state", "=", "enabled")])
        sender.wake(self.env.cr.dbname, waiting.ids)
        self.env["webhook.subscriber"]._update_notices()
        # no transaction may be open while endpoints are talked to
        self.env.cr.commit()  # pylint: disable=invalid-commit
        if sender.take_turn(self.env.cr.dbname, _TURN):
            self.env.ref("auto_webhook_odoo.cron_deliver")._trigger()

    @api.model
    def _claim(self, subscriber_id):
        """Lease the next due deliveries to a subscriber.

        To keep the order, the claimed deliveries of a record begin with its first pending one.
        Deliveries that the receiver behind the endpoint has confirmed are cancelled, and the later
        ones of their records are woken. So this must run with ``transaction(each_statement=True)``:
        the statement that wakes must come after the commit of the one that cancels.

        :return: ``Claim``
        """
        parameters = {
            "subscriber_id": subscriber_id,
            "messages": _MESSAGES,
            "margin": LEASE_MARGIN,
            "overrun": longest_attempt(0),
            "confirmed": self.env._(
                "The receiver confirmed this event through the feed; it was not pushed."
            ),
            "probing": False,
        }
        if claim := self._lease(claiming.CLAIM, parameters):
            return claim
        wait, newest_is_next = self._until_due(subscriber_id)
        if newest_is_next and wait <= 0:
            parameters["probing"] = True
            for statement in (claiming.CLAIM_NEWEST, claiming.CLAIM):
                if claim := self._lease(statement, parameters):
                    return claim
        # Never 0: another process is sending a delivery that is due and could not be claimed.
        return Claim(subscriber_id, wait=None if wait is None else max(wait, 0.1))

    @api.model
    def _lease(self, statement, parameters):
        """Run a statement that claims until it has leased something.

        :return: ``Claim``, or None if nothing is to be sent
        """
        for _look in range(_LOOKS):
            self.env.cr.execute(statement.call, parameters)
            rows = self.env.cr.fetchall()
            found = [Leased(*row[_OF_DELIVERY:]) for row in rows]
            self._wake_later([delivery.id for delivery in found if delivery.confirmed])
            leased = [d for d in found if not (d.held or d.confirmed)]
            if leased := self._hide_what_left(parameters["subscriber_id"], leased):
                endpoint = Endpoint(*rows[0][:_OF_ENDPOINT])
                health = Health(*rows[0][_OF_ENDPOINT:_OF_DELIVERY])
                source = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
                return Claim(parameters["subscriber_id"], None, endpoint, health, source, leased)
            if not found:
                break
        return None

    @api.model
    def _hide_what_left(self, subscriber_id, leased):
        """Return the deliveries with only those values that the receiver's user may see.

        The claim leaves this out, because it would cost each delivery a twentieth of a millisecond.
        """
        if not (event_ids := [d.event_id for d in leased if d.left_some]):
            return leased
        sent = self._as_sent(subscriber_id, event_ids)
        return [
            d._replace(event=sent[d.event_id][1]) if d.left_some else d
            for d in leased
            if not d.left_some or d.event_id in sent  # the event may just have been deleted
        ]

    @api.model
    def _until_due(self, subscriber_id):
        """Return when the next attempt is due, and whether it is the probe of a new event.

        :return: ``(seconds, bool)``; ``(None, False)`` if no delivery waits
        """
        self.env.cr.execute(claiming.SECONDS_UNTIL_DUE, [subscriber_id])
        return self.env.cr.fetchone() or (None, False)

    @api.model
    def _record(self, claim, evidence):
        """Record what became of a claim.

        :param evidence: the result of ``dispatcher.send``; a delivery that was not attempted
            becomes due again
        :return: ids of the settled deliveries; call ``_wake_later`` with them once this is
            committed
        """
        subscriber = self.env["webhook.subscriber"].browse(claim.subscriber_id)
        attempted = evidence.attempted
        left = [delivery.id for delivery in claim.deliveries if delivery.id not in attempted]
        leased_until = claim.deliveries[0].leased_until
        settled = []
        if attempted:
            rows = [subscriber._settle(*item) for item in attempted.items()]
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            self.env.cr.execute(statements.RECORD.call, {**columns, "leased_until": leased_until})
            settled = [i for i, state in self.env.cr.fetchall() if state != "pending"]
        if left:
            self.env.cr.execute(statements.RELEASE, [left, leased_until])
        self.invalidate_model()
        self.env["webhook.attempt"]._log(claim.deliveries, attempted)
        settled += subscriber._record_health(evidence)
        self.browse(settled)._settle_events()
        return settled

    def _settle_events(self):
        """Mark the events of settled deliveries as processed, if these confirm them.

        An event that somebody else still has to confirm stays open.
        """
        confirming = self.filtered("subscriber_id.confirm_on_delivery")
        if event_ids := confirming.event_id._locked():
            self.env["webhook.confirmation"]._settle(event_ids)

    def _settle_events_again(self):
        with read_committed(self.env) as env:
            self.with_env(env)._settle_events()

    def _convict(self, subscriber, attempted):
        """Count an attempt of each suspect of a subscriber, but not of those just attempted.

        :return: ids of those that are dead now
        """
        self.env.cr.execute(
            statements.CONVICT,
            {
                "subscriber_id": subscriber.id,
                "max_attempts": subscriber.max_attempts,
                "attempted": list(attempted),
            },
        )
        dead = [i for i, state in self.env.cr.fetchall() if state == "dead"]
        self.invalidate_model()
        return dead

    def _acquit(self, subscriber, attempted=()):
        """Suspect no delivery of a subscriber any more; they go first when it accepts again."""
        self.flush_model()
        self.env.cr.execute(
            statements.ACQUIT, {"subscriber_id": subscriber.id, "attempted": list(attempted)}
        )
        self.invalidate_model()
