from collections import Counter
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from .webhook_config import PRIORITIES

_MOST = 10_000  # events; nobody needs a larger number to be exact


class UpdateWebhook(models.Model):
    """Figures about the events, and warnings for webhook managers.

    A manager gets an activity when events wait too long for their confirmation: then the receiver
    is away, or there is none.
    """

    _inherit = "update.webhook"  # pylint: disable=consider-merging-classes-inherited

    _pending_idx = models.Index("(id) WHERE is_processed IS NOT TRUE")
    _failed_idx = models.Index("(id) WHERE failed_at IS NOT NULL")

    @api.model
    def _stats(self, days):
        """Return the answer of ``/api/webhooks/stats``, for the events that the user may see.

        :param int days: how many days the figures cover, today included (UTC); the backlog covers
            all
        :raises AccessError: if the user follows record rules and confirms nothing. The figures
            count events of records that the user may not read. Who confirms is told of all of them.
        """
        self.check_access("read")
        user = self.env.user
        is_receiver = user.has_group("auto_webhook_odoo.group_webhook_receiver")
        if user._webhook_follows_rules() and not is_receiver:
            raise AccessError(
                self.env._("The figures count all records. This user sees those that it may read.")
            )
        self.env["webhook.feed.position"]._assign_pending()
        self.env["webhook.tally"]._merge()
        with self.env.registry.cursor() as cr:
            return self.with_env(self.env(cr=cr))._read_stats(days)

    @api.model
    def _read_stats(self, days):
        consumer = self.env["webhook.consumer"]._of_user(self.env.user)
        first_day = fields.Date.subtract(fields.Date.today(), days=days - 1)
        counts = self.env.execute_query(
            SQL(
                """
                SELECT model, priority, day >= %s, sum(total)::bigint, sum(processed)::bigint
                  FROM webhook_tally WHERE %s AND (consumer_id IS NULL OR consumer_id = %s)
                 GROUP BY 1, 2, 3
                """,
                first_day,
                self._visible("webhook_tally"),
                consumer.id or None,
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
        failed = self._count_failed(first_day, consumer)
        return {
            "days": days,
            "total": period["total"],
            "processed": period["processed"] - failed,
            "failed": failed,
            "pending": period["total"] - period["processed"],
            "by_model": {model: total for model, total in sorted(by_model.items()) if total},
            "by_priority": dict(by_priority),
            "consumer": self.env["webhook.consumer"]._wire(self.env.user),
            "backlog": all_time["total"] - all_time["processed"],
            "oldest_pending_age": self._oldest_pending_age(consumer),
            "source": self.env["ir.config_parameter"].sudo().get_param("database.uuid"),
            "timestamp": fields.Datetime.now().isoformat() + "Z",
        }

    def _count_failed(self, first_day, consumer):
        """Return how many events since that day a consumer has given up.

        Without a consumer: how many processed ones any consumer has given up.
        """
        given_up = SQL("e.is_processed AND e.failed_at IS NOT NULL")
        if consumer:
            given_up = SQL(
                """
                e.id IN (SELECT event_id FROM webhook_confirmation
                          WHERE consumer_id = %s AND failed_at IS NOT NULL)
                """,
                consumer.id,
            )
        [(count,)] = self.env.execute_query(
            SQL(
                "SELECT count(*) FROM update_webhook e WHERE e.timestamp >= %s AND %s AND %s",
                *(first_day, given_up, self._visible("e")),
            )
        )
        return count

    @api.model
    def _oldest_pending_age(self, consumer):
        """Return the age of the oldest unconfirmed event in seconds, or None if there is none.

        :param consumer: whose confirmation is missing; empty: anybody's
        """
        source, where, order = self._open_events(consumer)
        found = self.env.execute_query(
            SQL(
                """
                SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - e.timestamp)::bigint, %s
                  FROM %s WHERE %s ORDER BY %s LIMIT 1
                """,
                *(order, source, where, order),
            )
        )
        if consumer:
            consumer._note_search(found[0][1] if found else None)
        return max(found[0][0], 0) if found else None

    def _open_events(self, consumer):
        """Return the parts of a query for the events that a consumer still has to confirm.

        :param consumer: empty: for the unprocessed events that the current user may see
        :return: SQL for FROM (``e`` is the event), WHERE, and ORDER BY, oldest first
        """
        is_open = consumer._has_open("e") if consumer else self._visible("e")
        where = SQL("e.is_processed IS NOT TRUE AND %s", is_open)
        if settled := consumer._settled() if consumer else 0:
            # Others may hold back many events that this consumer has confirmed.
            joined = SQL(
                "webhook_feed_position position JOIN update_webhook e"
                " ON e.id = position.event_id AND position.id > %s",
                settled,
            )
            return joined, where, SQL("position.id")
        return SQL("update_webhook e"), where, SQL("e.id")

    @api.model
    def _cron_warn(self):
        """Create, update or delete the managers' activities about unconfirmed events."""
        hours = int(self.env["ir.config_parameter"].get_param("auto_webhook_odoo.warn_hours", 24))
        waiting = self._count_unconfirmed(hours) if hours > 0 else {}
        kind = self.env.ref("auto_webhook_odoo.activity_events_unconfirmed")
        told = self.env["mail.activity"].search([("activity_type_id", "=", kind.id)])
        if not waiting:
            told.unlink()
            return
        for user in self.env.ref("auto_webhook_odoo.group_webhook_manager").all_user_ids:
            texts = self.with_context(lang=user.lang)._warning(waiting, hours)
            if mine := told.filtered(lambda activity, user=user: activity.user_id == user):
                mine.write(texts)
            else:
                told.create({"activity_type_id": kind.id, "user_id": user.id, **texts})

    @api.model
    def _count_unconfirmed(self, hours):
        """Return how many events have been unconfirmed for so many hours.

        :return: ``{consumer: number}``, without those that have confirmed all of them; the empty
            consumer stands for all if nobody confirms. Numbers end at ``_MOST``
        """
        consumers = self.env["webhook.consumer"]
        consumers._add_members()
        receivers = consumers._who_confirm().filtered("user_id")
        counts = {}
        for consumer in receivers or [consumers]:
            source, is_open, _order = self._open_events(consumer)
            [(count,)] = self.env.execute_query(
                SQL(
                    "SELECT count(*) FROM (SELECT FROM %s WHERE %s AND e.timestamp < %s LIMIT %s)"
                    " waiting",
                    source,
                    is_open,
                    fields.Datetime.now() - timedelta(hours=hours),
                    _MOST,
                )
            )
            if count:
                counts[consumer] = count
        return counts

    def _warning(self, waiting, hours):
        """Return summary and note of an activity.

        :param dict waiting: as ``_count_unconfirmed`` returns it
        """
        count = max(waiting.values())
        told = f"{_MOST}+" if count == _MOST else str(count)
        names = ", ".join(consumer.display_name for consumer in waiting if consumer)
        who = self.env._("Consumers that have not confirmed them: %s.", names) if names else ""
        return {
            "summary": self.env._("Webhook events not confirmed: %s", told),
            "note": Markup('<p>%s %s</p><p><a href="/odoo/webhook-consumers">%s</a></p>')
            % (
                self.env._(
                    "They have been waiting for more than %s hours. Check that the receiver runs, "
                    "that its API key has not expired, and that it confirms what it handles. This "
                    "activity disappears when they are confirmed.",
                    hours,
                ),
                who,
                self.env._("Show consumers"),
            ),
        }
