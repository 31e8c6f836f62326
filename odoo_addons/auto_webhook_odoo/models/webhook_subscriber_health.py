import random
from datetime import timedelta

from odoo import fields, models
from odoo.tools import SQL

from ..delivery import sender
from ..delivery.claiming import ENDPOINT
from ..delivery.endpoint import Endpoint
from ..delivery.statements import AHEAD
from ..delivery.transport import MAX_RETRY_AFTER
from ..wire.backoff import retry_delay

_REFRESH = timedelta(seconds=10)  # the last answer is noted no more often, to spare the row

#: Fields whose values may be the reason why an endpoint failed.
_CONNECTION = {
    *("url", "auth_type", "auth_token", "api_key_header", "signing_secret"),
    *("verify_ssl", "allow_private_network", "client_certificate", "client_key", "header_ids"),
    *("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
    *("oauth_client_auth", "oauth_scope", "oauth_audience"),
}

#: The state of an endpoint that has accepted the last message.
_WELL = {"paused_until": False, "pauses": 0, "consecutive_failures": 0, "failing_since": False}

#: The state of an endpoint of which nothing is known, such as a new one.
_FRESH = {**_WELL, "next_batch_at": False, "batch_limit": 0}


class WebhookSubscriber(models.Model):
    """The health of a subscriber's endpoint: pauses, batch size, and when it is disabled.

    ``delivery/blame.py`` decides whether a failure is the endpoint's or the event's. An endpoint
    that is away is paused, longer each time, and then probed with a single delivery. Its events
    wait meanwhile. Whatever happens to an endpoint, no event that waits for it is dropped.
    """

    _inherit = "webhook.subscriber"  # pylint: disable=consider-merging-classes-inherited

    pauses = fields.Integer(
        string="Pauses in a Row",
        readonly=True,
        copy=False,
        help="How often the endpoint was paused since it last accepted an event.",
    )
    epoch = fields.Integer(
        default=1,
        readonly=True,
        copy=False,
        help="A number that grows whenever the endpoint accepts an event after a failure.",
    )
    last_error = fields.Text(
        readonly=True, copy=False, help="Why the last message failed, in words."
    )
    batch_limit = fields.Integer(
        string="Current Batch Size",
        readonly=True,
        copy=False,
        help="A smaller batch size for a while, because a batch was too large or too slow for the "
        "endpoint, or was answered with Retry-After. 0: the full batch size.",
    )
    disabled_reason = fields.Text(
        readonly=True,
        copy=False,
        help="Why the endpoint was disabled. Odoo empties this field when it has created the "
        "activity for the administrators.",
    )

    def action_resume(self):
        """End the pause now."""
        self.env["webhook.delivery"]._check_manager()
        self._forgive()
        self.sudo().write(_FRESH)
        sender.wake_sender(self.env.cr, self.ids)

    def action_enable(self):
        """Send events again, including those that have been waiting."""
        self.state = "enabled"

    def write(self, vals):
        """Save; forget what is known of the endpoint if it is now reached in another way."""
        enabled = vals.get("state") == "enabled"
        anew = self.filtered(lambda endpoint: enabled or endpoint._differs(vals, _CONNECTION))
        told = {"disabled_reason": False} if enabled else {}
        anew._forgive()
        super(WebhookSubscriber, anew).write({**_FRESH, **told, **vals})
        super(WebhookSubscriber, self - anew).write(vals)
        if enabled:
            self.activity_unlink(["auto_webhook_odoo.activity_endpoint_disabled"])
        sender.wake_sender(self.env.cr, (self if vals.get("active") else anew).ids)
        return True

    def _endpoint(self):
        """Return the ``Endpoint`` with this subscriber's settings."""
        self.flush_recordset()
        (row,) = self.env.execute_query(
            SQL(
                "SELECT %s FROM webhook_subscriber WHERE id = %s",
                SQL(ENDPOINT),  # pylint: disable=sql-injection
                self.id,
            )
        )
        return Endpoint(*row)

    def _retry_delay(self, failures):
        """Return the seconds to wait after so many failures."""
        return retry_delay(failures, self.backoff_base, self.backoff_max, random.random)

    def _settle(self, delivery_id, standing):
        """Return how a delivery is stored after an attempt.

        :param standing: ``blame.Standing``
        :return: the columns of ``statements.RECORD``; the delay in seconds
        """
        outcome = standing.outcome
        state, delay = "pending", 0.0
        if outcome.delivered:
            state = "delivered"
        elif standing.first_again:
            delay = -AHEAD  # the endpoint has its own pause
        else:
            failures = standing.attempts + standing.suspected
            delay = max(self._retry_delay(failures), outcome.retry_after or 0)
            if standing.attempts >= self.max_attempts:
                state = "dead"
        return {
            "id": delivery_id,
            "state": state,
            "attempts": standing.attempts,
            "suspected": standing.suspected if state == "pending" else 0,
            "failed_epoch": standing.failed_epoch,
            "delay": delay,
            "status": outcome.status,
            "error": outcome.error,
        }

    def _record_health(self, evidence):
        """Note how the endpoint did, and judge the suspects of earlier claims.

        :param evidence: the result of ``dispatcher.send``
        :return: ids of the deliveries that are dead because of that
        """
        dead = []
        if evidence.failure or evidence.began_in_doubt:
            self._lock()  # another process may be recording, too
            self.invalidate_recordset()
        if evidence.accepted:
            dead = self._record_accepted(evidence)
        if evidence.failure:
            self._record_failure(evidence)
        elif evidence.began_in_doubt and not evidence.accepted:
            self.paused_until = False  # nothing was sent, and the claim kept others away
        if evidence.too_many:
            self.batch_limit = evidence.too_many // 2
        return dead

    def _record_accepted(self, evidence):
        """Note that the endpoint accepted a message, and make its batches larger again.

        If another process has found failures since the claim was made, this success may be older
        than they are, and proves nothing about them.
        """
        now = fields.Datetime.now()
        dead = []
        is_latest = evidence.began_in_doubt or not self.consecutive_failures
        if evidence.epoch > evidence.first_epoch and is_latest:
            if evidence.began_in_doubt and not evidence.began_away:
                dead = self.env["webhook.delivery"]._convict(self, evidence.attempted)
            epoch = max(evidence.epoch, self.epoch + 1)
            self.write({**_WELL, "epoch": epoch, "last_success": now})
        elif not self.last_success or self.last_success < now - _REFRESH:
            self.last_success = now
        if self.batch_limit and evidence.most_accepted >= min(self.batch_limit, self.batch_size):
            larger = self.batch_limit + max(1, self.batch_limit // 4)
            self.batch_limit = larger if larger < self.batch_size else 0
        return dead

    def _record_failure(self, evidence):
        """Note the last failure. Pause an endpoint that is away, and disable it in the end."""
        now = fields.Datetime.now()
        outcome = evidence.failure
        vals = {"last_failure": now, "last_error": outcome.error}
        if not evidence.failures:  # the endpoint has accepted a message since
            self.write(vals)
            return
        # the pause of another process holds
        pauses, paused_until = self.pauses, self.pauses and self.paused_until
        if evidence.away:
            pauses += 1
            pause = max(self._retry_delay(pauses), outcome.retry_after or 0)
            if pauses == 1 and not outcome.unsent and outcome.retry_after is None:
                pause = 0  # these events may only be bad: another one is tried at once
            paused_until = now + timedelta(seconds=pause)
            self.env["webhook.delivery"]._acquit(self, evidence.attempted)
        # If nothing was sent since, an old failure does not mean that the endpoint failed all the
        # time.
        known = self.last_failure and self.last_failure > now - timedelta(
            seconds=2 * max(self.backoff_max, MAX_RETRY_AFTER)
        )
        since = (known and self.failing_since) or now
        self.write(
            {
                **vals,
                "failing_since": since,
                "consecutive_failures": evidence.failures,
                "pauses": pauses,
                "paused_until": paused_until,
            }
        )
        failing_for = now - since
        if outcome.gone:
            self._disable(self.env._("The endpoint wants no more messages (HTTP 410)."))
        elif self.disable_after and failing_for >= timedelta(hours=self.disable_after):
            self._disable(
                self.env._(
                    "The endpoint has failed since %(since)s UTC. The last error: %(error)s",
                    since=since,
                    error=outcome.error,
                )
            )

    def _forgive(self):
        """Hold no earlier failure against the deliveries to these endpoints."""
        for subscriber in self:
            self.env["webhook.delivery"]._acquit(subscriber)

    def _disable(self, reason):
        # A message in the chatter would run code of other addons, which must not undo the outcome.
        silent = self.with_context(tracking_disable=True)
        silent.write({"state": "disabled", "disabled_reason": reason})
