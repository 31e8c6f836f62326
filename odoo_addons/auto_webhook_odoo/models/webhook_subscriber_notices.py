import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL, format_datetime, plaintext2html

_logger = logging.getLogger(__name__)

_DISABLED = "auto_webhook_odoo.activity_endpoint_disabled"
_FAILING = "auto_webhook_odoo.activity_endpoint_failing"

_PATIENCE = timedelta(hours=1)  # an endpoint fails for so long before managers are told

_MOST = 10_000  # deliveries; nobody needs a larger number to be exact
_EXACT = 10  # deliveries; a larger number is rounded, so that a notice does not change every minute


class _Trouble(NamedTuple):
    """What managers have to know about an endpoint."""

    #: since when it has failed; None if it does not fail
    failing_since: datetime | None
    #: deliveries that wait, at most ``_MOST``
    waiting: int
    #: deliveries that were given up and not seen by managers yet, at most ``_MOST``
    dead: int
    first_death: datetime | None
    last_death: datetime | None
    #: the last answer in words: to any delivery if the endpoint fails, otherwise to a dead one
    answer: str | None


class WebhookSubscriber(models.Model):
    """Activities that tell users about an endpoint in trouble.

    Administrators learn that an endpoint was disabled. Webhook managers learn that an endpoint has
    failed for an hour while deliveries wait, or that deliveries were given up. A user has at most
    one of these activities for each endpoint. It follows the numbers, and disappears when all is
    well again. A user who marks it as done gets another one only for news: the next outage, or
    later dead deliveries.
    """

    _inherit = "webhook.subscriber"  # pylint: disable=consider-merging-classes-inherited

    told_outage = fields.Datetime(
        readonly=True,
        copy=False,
        help="The start of the outage that webhook managers have been told of.",
    )
    told_death = fields.Datetime(
        readonly=True,
        copy=False,
        help="Webhook managers have been told of deliveries that were given up until this time.",
    )
    seen_death = fields.Datetime(
        readonly=True,
        copy=False,
        help="Deliveries that were given up until this time are settled: all managers have marked "
        "their activities as done, or no such delivery was left.",
    )

    @api.model
    def _update_notices(self):
        """Create, update and delete the activities about endpoints."""
        for subscriber in self._noticeable():
            try:
                with self.env.cr.savepoint():
                    subscriber._update_notice()
            except Exception:  # code of another addon failed; the next call tries again
                _logger.exception(
                    "No activity could be created about an endpoint. subscriber=%s", subscriber.name
                )

    @api.model
    def _noticeable(self):
        """Return the endpoints that are in trouble or were so at the last call. Usually none.

        One statement finds them. It reads one entry of an index for each endpoint, and counts
        nothing.
        """
        self.flush_model()
        self.env["webhook.delivery"].flush_model()
        found = self.env.execute_query(
            SQL(
                """
                SELECT id
                  FROM webhook_subscriber subscriber
                 WHERE disabled_reason IS NOT NULL
                    OR failing_since <= %s
                    OR told_outage IS NOT NULL
                    OR told_death > coalesce(seen_death, '-infinity')
                    OR coalesce(seen_death, '-infinity') < (
                        SELECT max(died_at) FROM webhook_delivery
                         WHERE subscriber_id = subscriber.id AND state = 'dead'
                       )
                """,
                fields.Datetime.now() - _PATIENCE,
            )
        )
        return self.browse(id_ for (id_,) in found)

    def _update_notice(self):
        if self.disabled_reason:
            self._notify_administrators()
        told = self.activity_search([_FAILING])
        if not told:
            _write_changes(self, {"seen_death": self.told_death})
        trouble = self._trouble()
        if not (trouble.failing_since or trouble.dead):
            told.unlink()
            _write_changes(self, {"told_outage": False, "seen_death": self.told_death})
            return
        is_news = self._is_news(trouble)
        know_more = self.activity_search([_DISABLED]).user_id
        superseded = told.filtered(lambda activity: activity.user_id in know_more)
        told -= superseded
        superseded.unlink()
        managers = self.env.ref("auto_webhook_odoo.group_webhook_manager").all_user_ids
        for user in managers.filtered("active") - know_more:
            mine = told.filtered(lambda activity, user=user: activity.user_id == user)
            texts = self.with_context(lang=user.lang)._notice(trouble, user.tz)
            if mine:
                _write_changes(mine, texts)
            elif is_news:
                self.activity_schedule(_FAILING, user_id=user.id, **texts)
        _write_changes(
            self,
            {
                "told_outage": trouble.failing_since,
                "told_death": trouble.last_death or self.told_death,
            },
        )

    def _notify_administrators(self):
        """Tell administrators that the endpoint was disabled."""
        summary = self.env._("Webhook endpoint disabled: %s", self.name)
        note = self.env._(
            "%s Its events wait. Enable the endpoint once it works again.", self.disabled_reason
        )
        self.disabled_reason = False
        for user in self.env.ref("base.group_system").all_user_ids.filtered("active"):
            self.activity_schedule(
                _DISABLED, summary=summary, note=plaintext2html(note), user_id=user.id
            )

    def _trouble(self):
        """Return the ``_Trouble`` of the endpoint now."""
        if not self.active:
            return _Trouble(None, 0, 0, None, None, None)
        mine = SQL("FROM webhook_delivery WHERE subscriber_id = %s", self.id)
        unseen = SQL(
            "%s AND state = 'dead' AND died_at > %s", mine, self.seen_death or datetime.min
        )
        [(waiting, dead, first_death, last_death, answer)] = self.env.execute_query(
            SQL(
                """
                SELECT (SELECT count(*) FROM (SELECT %(waiting)s LIMIT %(most)s) waiting),
                       (SELECT count(*) FROM (SELECT %(unseen)s LIMIT %(most)s) unseen),
                       (SELECT min(died_at) %(unseen)s),
                       (SELECT max(died_at) %(unseen)s),
                       (SELECT last_error %(unseen)s ORDER BY died_at DESC LIMIT 1)
                """,
                waiting=SQL("%s AND state = 'pending'", mine),
                unseen=unseen,
                most=_MOST,
            )
        )
        outage = self._outage() if waiting else None
        return _Trouble(
            outage, waiting, dead, first_death, last_death, self.last_error if outage else answer
        )

    def _outage(self):
        """Return since when the endpoint has failed, or None if managers need not know of it.

        An outage that managers were told of goes on if the endpoint is disabled.
        """
        since = self.failing_since
        if not since:
            return None
        if self.state == "disabled":
            return since if since == self.told_outage else None
        is_long = since <= fields.Datetime.now() - _PATIENCE
        return since if self.state == "enabled" and is_long else None

    def _is_news(self, trouble):
        """Return whether managers have not been told of this outage, or of all dead deliveries."""
        return bool(
            (trouble.failing_since and trouble.failing_since != self.told_outage)
            or (trouble.dead and trouble.last_death > (self.told_death or datetime.min))
        )

    def _notice(self, trouble, timezone):
        """Return summary and note of an activity, in the language of the environment.

        :param str timezone: of the user; UTC if it is empty
        """
        timezone = timezone or "UTC"

        def local(moment):
            return f"{format_datetime(self.env, moment, timezone)} ({timezone})"

        lines = []
        if trouble.failing_since:
            summary = self.env._("Webhook endpoint failing: %s", self.name)
            since = local(trouble.failing_since)
            lines.append(
                self.env._("The endpoint has failed since %s, and is disabled now.", since)
                if self.state == "disabled"
                else self.env._("The endpoint has failed since %s.", since)
            )
        else:
            summary = self.env._("Webhook deliveries given up: %s", self.name)
        if trouble.dead:
            lines.append(self._dead_text(trouble.dead, local(trouble.first_death)))
        if trouble.waiting:
            lines.append(self._waiting_text(trouble.waiting))
        if trouble.answer:
            lines.append(self.env._("The last error: %s", trouble.answer))
        lines.append(
            self.env._(
                "This activity disappears when the endpoint accepts deliveries and no dead "
                "delivery is left. If you mark it as done, you get another one only for a new "
                "outage, or for deliveries that die from now on."
            )
        )
        path = f"/odoo/webhook-subscribers/{self.id}/webhook-endpoint-deliveries"
        link = Markup('<p><a href="%s">%s</a></p>') % (path, self.env._("Show deliveries"))
        return {"summary": summary, "note": plaintext2html("\n\n".join(lines)) + link}

    def _waiting_text(self, number):
        if number == 1:
            return self.env._("1 delivery waits.")
        if number <= _EXACT:
            return self.env._("%s deliveries wait.", number)
        return self.env._("At least %s deliveries wait.", _rounded(number))

    def _dead_text(self, number, since):
        if number == 1:
            return self.env._("1 delivery is dead, given up at %s.", since)
        if number <= _EXACT:
            return self.env._(
                "%(number)s deliveries are dead, the first given up at %(since)s.",
                number=number,
                since=since,
            )
        return self.env._(
            "At least %(number)s deliveries are dead, the first given up at %(since)s.",
            number=_rounded(number),
            since=since,
        )


def _rounded(number):
    """Return a number rounded down to its first digit."""
    unit = 10 ** (len(str(number)) - 1)
    return number // unit * unit


def _write_changes(record, values):
    """Write the values that the record does not have yet."""
    changed = {
        name: value
        for name, value in values.items()
        if (record._fields[name].convert_to_cache(value, record) or False) != record[name]
    }
    if changed:
        record.write(changed)
