import random
from datetime import timedelta

from odoo import fields, models
from odoo.tools import SQL

from ..delivery import sender
from ..wire.backoff import retry_delay

_REFRESH = timedelta(seconds=10)  # a success is noted so often, to spare the row

_FRESH = {
    "paused_until": False,
    "consecutive_failures": 0,
    "failing_since": False,
    "next_batch_at": False,
}


class WebhookSubscriber(models.Model):
    """How an endpoint is doing, and what it may be sent.

    One that is away is paused, longer each time, and then probed with a single delivery. Events
    wait meanwhile; whatever happens to an endpoint, nothing that is waiting for it is dropped.
    """

    _inherit = "webhook.subscriber"

    def action_resume(self):
        """Go on now instead of waiting for the end of the pause."""
        self.env["webhook.delivery"].check_access("write")
        self.sudo().write(_FRESH)
        sender.wake_sender(self.env.cr, self.ids)

    def action_enable(self):
        """Send events, those that have been waiting too."""
        self.state = "enabled"

    def write(self, vals):
        if vals.get("state") != "enabled":
            return super().write(vals)
        result = super().write({**_FRESH, **vals})
        self.activity_unlink(["auto_webhook_odoo.activity_endpoint_disabled"])
        sender.wake_sender(self.env.cr, self.ids)
        return result

    def _admitted(self):
        """Return how many deliveries may be claimed now.

        A subscriber that fails, or has a rate limit, is locked until the end of the transaction:
        two processes must not both send the one probe, or each a second's worth.
        """
        if self.consecutive_failures or self.rate_limit:
            # events that begin to wait for this endpoint meanwhile are not held up
            if not self.try_lock_for_update(allow_referencing=True):
                return 0
            self.invalidate_recordset()
        if self.paused_until or self.next_batch_at:
            now = self.env.cr.now()
            if max(until for until in (self.paused_until, self.next_batch_at) if until) > now:
                return 0
        if self.consecutive_failures:
            # nobody else probes meanwhile
            self.paused_until = fields.Datetime.now() + timedelta(seconds=self.timeout)
            return 1
        return min(self.batch_size, self.rate_limit or self.batch_size)

    def _count_claimed(self, number):
        """Keep to the rate limit: the next batch has to wait until this one is accounted for."""
        if self.rate_limit:
            self.env.cr.execute(
                SQL(
                    "UPDATE webhook_subscriber SET next_batch_at = statement_timestamp() "
                    "AT TIME ZONE 'UTC' + make_interval(secs => %s) WHERE id = %s",
                    number / self.rate_limit,
                    self.id,
                )
            )

    def _retry_delay(self, failures):
        """Return the seconds to wait after so many failures."""
        return retry_delay(failures, self.backoff_base, self.backoff_max, random.random)

    def _settle(self, delivery, outcome):
        """Return what becomes of a delivery after an attempt.

        :param delivery: as in ``Claim``
        :return: ``{"id", "state", "attempts", "delay", "status", "error"}``; the delay in seconds
        """
        attempts = delivery["attempts"] + (0 if outcome.endpoint_failed else 1)
        state, delay = "pending", 0.0  # for a failing endpoint the pause of the subscriber counts
        if outcome.delivered:
            state = "delivered"
        elif not outcome.endpoint_failed:
            delay = self._retry_delay(attempts)
            state = "dead" if attempts >= self.max_attempts else "pending"
        return {
            "id": delivery["delivery_id"],
            "state": state,
            "attempts": attempts,
            "delay": delay,
            "status": outcome.status,
            "error": outcome.error,
        }

    def _record_health(self, outcomes):
        """Note how the endpoint did; pause it, longer each time, if it was at fault."""
        now = fields.Datetime.now()
        for outcome in outcomes:
            if outcome.endpoint_failed:
                self._record_failure(outcome, now)
            elif self.consecutive_failures:
                self.write({**_FRESH, "last_success" if outcome.delivered else "last_failure": now})
            else:
                last = "last_success" if outcome.delivered else "last_failure"
                if not self[last] or self[last] < now - _REFRESH:
                    self[last] = now

    def _record_failure(self, outcome, now):
        failures = self.consecutive_failures + 1
        pause = max(self._retry_delay(failures), outcome.retry_after or 0)
        since = self.failing_since or now
        self.write(
            {
                "last_failure": now,
                "failing_since": since,
                "consecutive_failures": failures,
                "paused_until": now + timedelta(seconds=pause),
            }
        )
        if outcome.status == 410:
            self._disable(self.env._("It answered HTTP 410: it wants no more messages."))
        elif self.disable_after and now - since >= timedelta(hours=self.disable_after):
            hours = self.disable_after
            self._disable(
                self.env._(
                    "It has failed for %(hours)s hours. Last: %(error)s",
                    hours=hours,
                    error=outcome.error,
                )
            )

    def _disable(self, reason):
        """Let events wait, and tell the administrators."""
        self.state = "disabled"
        for user in self.env.ref("base.group_system").all_user_ids.filtered("active"):
            self.activity_schedule(
                "auto_webhook_odoo.activity_endpoint_disabled",
                summary=self.env._("Webhook endpoint disabled: %s", self.name),
                note=reason + " " + self.env._("Its events wait. Enable it once it works again."),
                user_id=user.id,
            )
