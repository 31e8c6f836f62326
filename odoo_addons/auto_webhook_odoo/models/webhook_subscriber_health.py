import random
from datetime import timedelta

from odoo import fields, models
from odoo.tools import SQL

from ..delivery import sender
from ..delivery.endpoint import Endpoint
from ..delivery.statements import ENDPOINT
from ..delivery.transport import MAX_RETRY_AFTER
from ..wire.backoff import retry_delay

_REFRESH = timedelta(seconds=10)  # the last answer is noted no more often, to spare the row

#: Fields whose values may be the reason why an endpoint failed.
_CONNECTION = {
    *("url", "auth_type", "auth_token", "api_key_header", "signing_secret"),
    *("verify_ssl", "allow_private_network"),
}

#: The state of an endpoint of which nothing is known, such as a new one.
_FRESH = {
    "paused_until": False,
    "consecutive_failures": 0,
    "failing_since": False,
    "next_batch_at": False,
    "batch_limit": 0,
}


class WebhookSubscriber(models.Model):
    """The health of a subscriber's endpoint: pauses, batch size, and when it is disabled.

    An endpoint that is away is paused, longer each time, and then probed with a single delivery.
    Its events wait meanwhile. Whatever happens to an endpoint, no event that waits for it is
    dropped.
    """

    _inherit = "webhook.subscriber"  # pylint: disable=consider-merging-classes-inherited

    batch_limit = fields.Integer(
        string="Current Batch Size",
        readonly=True,
        copy=False,
        help="A smaller batch size while the endpoint is too slow. 0: the full batch size.",
    )
    disabled_reason = fields.Text(
        readonly=True, copy=False, help="Empty again once administrators have been told."
    )
    last_error = fields.Text(readonly=True, copy=False)

    def action_resume(self):
        """End the pause now."""
        self.env["webhook.delivery"]._check_manager()
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

    def _settle(self, delivery, outcome):
        """Return the state of a delivery after an attempt.

        :param delivery: as in ``Claim``
        :return: ``{"id", "state", "attempts", "delay", "status", "error"}``; the delay in seconds
        """
        attempts = delivery.attempts + (0 if outcome.endpoint_failed else 1)
        state, delay = "pending", 0.0  # a failing endpoint has its own pause
        if outcome.delivered:
            state = "delivered"
        elif not outcome.endpoint_failed:
            delay = self._retry_delay(attempts)
            state = "dead" if attempts >= self.max_attempts else "pending"
        return {
            "id": delivery.id,
            "state": state,
            "attempts": attempts,
            "delay": delay,
            "status": outcome.status,
            "error": outcome.error,
        }

    def _record_health(self, outcomes):
        """Note how the endpoint did. Pause it, longer each time, if the failure was its own.

        :param Counter outcomes: how many deliveries shared each ``Outcome``
        """
        now = fields.Datetime.now()
        for outcome, number in outcomes.items():
            if outcome.timed_out and number > 1:
                self.batch_limit = number // 2  # it may only be slow: try smaller batches
            elif outcome.endpoint_failed:
                self._record_failure(outcome, now)
            elif self.consecutive_failures:
                self.write({**_FRESH, "last_success" if outcome.delivered else "last_failure": now})
            else:
                self._record_answer(outcome, number, now)

    def _record_answer(self, outcome, number, now):
        """Note that the endpoint answered, and make its batches larger again if it accepted."""
        last = "last_success" if outcome.delivered else "last_failure"
        if not self[last] or self[last] < now - _REFRESH:
            self[last] = now
        if outcome.delivered and self.batch_limit and number >= self.batch_limit:
            larger = self.batch_limit + max(1, self.batch_limit // 4)
            self.batch_limit = larger if larger < self.batch_size else 0

    def _record_failure(self, outcome, now):
        """Note that the endpoint failed: pause it, and disable it if it has failed for too long."""
        failures = self.consecutive_failures + 1
        pause = max(self._retry_delay(failures), outcome.retry_after or 0)
        # If nothing was sent since, an old failure does not mean that the endpoint failed all the
        # time.
        known = self.last_failure and self.last_failure > now - timedelta(
            seconds=2 * max(self.backoff_max, MAX_RETRY_AFTER)
        )
        since = (known and self.failing_since) or now
        self.write(
            {
                "last_failure": now,
                "last_error": outcome.error,
                "failing_since": since,
                "consecutive_failures": failures,
                "paused_until": now + timedelta(seconds=pause),
            }
        )
        failing_for = now - since
        if outcome.status == 410:
            self._disable(self.env._("The endpoint wants no more messages (HTTP 410)."))
        elif self.disable_after and failing_for >= timedelta(hours=self.disable_after):
            self._disable(
                self.env._(
                    "The endpoint has failed since %(since)s UTC. The last error: %(error)s",
                    since=since,
                    error=outcome.error,
                )
            )

    def _disable(self, reason):
        # A message in the chatter would run code of other addons, which must not undo the outcome.
        silent = self.with_context(tracking_disable=True)
        silent.write({"state": "disabled", "disabled_reason": reason})
