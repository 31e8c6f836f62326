from collections import Counter
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL

from .webhook_config import PRIORITIES

_MOST = 10_000  # events; nobody needs a larger number to be exact


class UpdateWebhook(models.Model):
    """Figures about the events, and warnings for webhook managers.

    A manager gets an activity when events wait too long for their confirmation: then the receiver
    is away, or there is none.
    """

    _inherit = "update.webhook"  # pylint: disable=consider-merging-classes-inherited

    _pending_idx = models.Index("(id) WHERE is_processed IS NOT TRUE AND failed_at IS NULL")
    _failed_idx = models.Index("(id) WHERE is_processed IS NOT TRUE AND failed_at IS NOT NULL")

    @api.model
    def _stats(self, days):
        """Return the answer of ``/api/webhooks/stats``, for the events that the user may see.

        :param int days: how many days the figures cover, today included (UTC); the backlog covers
            all
        """
        self.check_access("read")
        self.env["webhook.feed.position"]._assign_pending()
        self.env["webhook.tally"]._merge()
        with self.env.registry.cursor() as cr:
            return self.with_env(self.env(cr=cr))._read_stats(days)

    @api.model
    def _read_stats(self, days):
        first_day = fields.Date.subtract(fields.Date.today(), days=days - 1)
        counts = self.env.execute_query(
            SQL(
                """
                SELECT model, priority, day >= %s, sum(total)::bigint, sum(processed)::bigint
                  FROM webhook_tally WHERE %s GROUP BY 1, 2, 3
                """,
                first_day,
                self._visible("webhook_tally"),
            )
        )
        by_model, by_priority = Counter(), Counter(dict.fromkeys(dict(PRIORITIES), 0))
        all_time, period = Counter(), Counter()
        for model, priority, is_recent, total, processed in counts:
            all_time.update(total=total, processed=processed)
            if is_recent:
                period.update(total=total, processed=processed)
                by_model[model] += total
                by_priority[priority] += total
        failed, recently_failed = self._failed_counts(first_day)
        return {
            "days": days,
            "total": period["total"],
            "processed": period["processed"],
            "failed": recently_failed,
            "pending": period["total"] - period["processed"] - recently_failed,
            "by_model": {model: total for model, total in sorted(by_model.items()) if total},
            "by_priority": dict(by_priority),
            "backlog": all_time["total"] - all_time["processed"] - failed,
            "oldest_pending_age": self._oldest_pending_age(),
            "source": self.env["ir.config_parameter"].sudo().get_param("database.uuid"),
            "timestamp": fields.Datetime.now().isoformat() + "Z",
        }

    def _failed_counts(self, first_day):
        """Return the numbers of failed events: ``(all, those since that day)``."""
        [counts] = self.env.execute_query(
            SQL(
                """
                SELECT count(*), count(*) FILTER (WHERE timestamp >= %s) FROM update_webhook
                 WHERE is_processed IS NOT TRUE AND failed_at IS NOT NULL AND %s
                """,
                first_day,
                self._visible("update_webhook"),
            )
        )
        return counts

    @api.model
    def _oldest_pending_age(self):
        """Return the age of the oldest unconfirmed event in seconds, or None if there is none."""
        found = self.env.execute_query(
            SQL(
                """
                SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - timestamp)::bigint
                  FROM update_webhook
                 WHERE is_processed IS NOT TRUE AND failed_at IS NULL AND %s
                 ORDER BY id LIMIT 1
                """,
                self._visible("update_webhook"),
            )
        )
        return max(found[0][0], 0) if found else None

    @api.model
    def _cron_warn(self):
        """Create, update or delete the managers' activities about unconfirmed events."""
        hours = self.env["ir.config_parameter"].get_param("auto_webhook_odoo.warn_hours", 24)
        waiting = self._count_unconfirmed(int(hours)) if int(hours) > 0 else 0
        kind = self.env.ref("auto_webhook_odoo.activity_events_unconfirmed")
        told = self.env["mail.activity"].search([("activity_type_id", "=", kind.id)])
        if not waiting:
            told.unlink()
            return
        for user in self.env.ref("auto_webhook_odoo.group_webhook_manager").all_user_ids:
            texts = self.with_context(lang=user.lang)._warning(waiting, int(hours))
            if mine := told.filtered(lambda activity, user=user: activity.user_id == user):
                mine.write(texts)
            else:
                told.create({"activity_type_id": kind.id, "user_id": user.id, **texts})

    @api.model
    def _count_unconfirmed(self, hours):
        """Return how many events have been unconfirmed for so many hours, at most ``_MOST``."""
        [(found,)] = self.env.execute_query(
            SQL(
                """
                SELECT count(*) FROM (
                    SELECT FROM update_webhook
                     WHERE is_processed IS NOT TRUE AND failed_at IS NULL AND timestamp < %s
                     LIMIT %s
                ) waiting
                """,
                fields.Datetime.now() - timedelta(hours=hours),
                _MOST,
            )
        )
        return found

    def _warning(self, waiting, hours):
        """Return summary and note of an activity."""
        count = f"{_MOST}+" if waiting == _MOST else str(waiting)
        return {
            "summary": self.env._("Webhook events not confirmed: %s", count),
            "note": Markup('<p>%s</p><p><a href="/odoo/webhook-events">%s</a></p>')
            % (
                self.env._(
                    "They have been waiting for more than %s hours. Check that the receiver runs, "
                    "that its API key has not expired, and that it confirms what it handles. This "
                    "activity disappears when they are confirmed.",
                    hours,
                ),
                self.env._("Show events"),
            ),
        }
