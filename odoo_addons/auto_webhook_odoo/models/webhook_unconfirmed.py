from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL

_MOST = 10_000  # counted; beyond that it does not matter how many


class UpdateWebhook(models.Model):
    """Tells webhook managers when events wait too long: the receiver is away, or there is none."""

    _inherit = "update.webhook"  # pylint: disable=consider-merging-classes-inherited

    @api.model
    def _cron_warn(self):
        """Have the managers' activities say what is waiting, if anything is."""
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
        """Return how many events nobody has confirmed for so long, up to a limit."""
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
