import random
from datetime import timedelta
from typing import NamedTuple

from odoo import api, fields, models
from odoo.tools import SQL

from ..delivery import sender
from ..delivery.transport import Endpoint
from ..wire.backoff import retry_delay

_REFRESH = timedelta(seconds=10)  # a success is noted so often, to spare the row

_FRESH = {
    "paused_until": False,
    "consecutive_failures": 0,
    "failing_since": False,
    "next_batch_at": False,
}


class Admission(NamedTuple):
    """What a subscriber may be sent now."""

    endpoint: Endpoint
    #: deliveries that may be claimed; 0 during a pause
    limit: int
    #: in a row
    failures: int
    #: events per second, 0 for no limit
    rate_limit: int


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

    @api.model
    def _admit(self, subscriber_id):
        """Return ``Admission``, or None if nothing is sent to this subscriber at all.

        A subscriber that fails, or has a rate limit, is locked until the end of the transaction:
        two processes must not both send the one probe, or each a second's worth.
        """
        subscriber = self.browse(subscriber_id)
        found = subscriber._read_settings(SQL("active AND state = 'enabled'"))
        if found and (found.failures or found.rate_limit):
            # not FOR UPDATE: that would hold up events that begin to wait for this endpoint
            locked = subscriber._read_settings(SQL("TRUE FOR NO KEY UPDATE SKIP LOCKED"))
            if locked and locked.failures and locked.limit:
                subscriber._pause(locked.endpoint.timeout)  # nobody else probes meanwhile
            return locked or found._replace(limit=0)
        return found

    def _read_settings(self, condition=SQL("TRUE")):  # noqa: B008  # SQL objects are immutable
        """Return ``Admission``, or None. With SQL: the ORM would take a third of the time that an
        event takes from the commit to the endpoint."""
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                SELECT url, auth_type, auth_token, api_key_header, timeout, verify_ssl,
                       allow_private_network, signing_secret,
                       CASE WHEN previous_secret_until > statement_timestamp() AT TIME ZONE 'UTC'
                            THEN previous_secret END,
                       CASE WHEN greatest(paused_until, next_batch_at)
                                 > statement_timestamp() AT TIME ZONE 'UTC' THEN 0
                            WHEN consecutive_failures > 0 THEN 1
                            WHEN rate_limit > 0 THEN least(batch_size, rate_limit)
                            ELSE batch_size END,
                       coalesce(consecutive_failures, 0), coalesce(rate_limit, 0)
                  FROM webhook_subscriber
                 WHERE id = %s AND %s
                """,
                self.id,
                condition,
            )
        )
        row = self.env.cr.fetchone()
        if not row:
            return None
        endpoint = Endpoint(
            url=row[0],
            auth_type=row[1],
            auth_token=row[2] or "",
            api_key_header=row[3] or "",
            timeout=row[4],
            verify_ssl=row[5],
            allow_private_network=bool(row[6]),
            signing_secrets=tuple(filter(None, row[7:9])),
        )
        return Admission(endpoint, *row[9:])

    def _pause(self, seconds):
        self.paused_until = fields.Datetime.now() + timedelta(seconds=seconds)

    def _defer_next_batch(self, seconds):
        """Keep to the rate limit: the next batch waits until this one is accounted for."""
        self.env.cr.execute(
            SQL(
                "UPDATE webhook_subscriber SET next_batch_at = statement_timestamp() "
                "AT TIME ZONE 'UTC' + make_interval(secs => %s) WHERE id = %s",
                seconds,
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
            }
        )
        self._pause(pause)
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
