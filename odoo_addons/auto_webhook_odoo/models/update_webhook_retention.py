import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

_BATCH = 10_000  # rows in a transaction, to keep it short


class UpdateWebhook(models.Model):
    """Archives and deletes processed events when they are old.

    Odoo's autovacuum calls a method again as long as it returns that work is left.
    """

    _inherit = "update.webhook"  # pylint: disable=consider-merging-classes-inherited

    _archive_idx = models.Index("(processed_at) WHERE is_processed AND is_archived IS NOT TRUE")
    _delete_idx = models.Index("(processed_at) WHERE is_processed")

    @api.autovacuum
    def _gc_archive(self):
        """Archive events that were processed ``auto_webhook_odoo.archive_days`` (30) days ago."""
        days = self._retention_days("archive_days", 30)
        ids = self._outdated(_days_ago(days), SQL("AND is_archived IS NOT TRUE"))
        self.env.cr.execute(
            SQL("UPDATE update_webhook SET is_archived = TRUE WHERE id = ANY(%s)", ids)
        )
        self.invalidate_model(["is_archived"])
        return len(ids), int(len(ids) == _BATCH)

    @api.autovacuum
    def _gc_delete(self):
        """Delete events that were processed ``auto_webhook_odoo.delete_days`` (90) days ago.

        An event that still waits for an endpoint stays, unless the endpoint is archived.
        """
        days = self._retention_days("delete_days", 90)
        # Events that no reader has asked for yet get their positions first, so that the feed knows
        # which ones it loses. This also notices a restored backup, which must happen before a break
        # notes the deletion.
        self.env["webhook.feed.position"]._assign_all()
        before = _days_ago(days)
        ids = self._outdated(
            before,
            SQL(
                """
                AND id IN (SELECT event_id FROM webhook_feed_position)
                AND NOT EXISTS (
                    SELECT FROM webhook_delivery delivery
                      JOIN webhook_subscriber subscriber ON subscriber.id = delivery.subscriber_id
                     WHERE delivery.event_id = update_webhook.id AND delivery.state = 'pending'
                       AND subscriber.active
                )
                """
            ),
        )
        self._note_deletion(ids, before)
        self.env.cr.execute(SQL("DELETE FROM update_webhook WHERE id = ANY(%s)", ids))
        self.invalidate_model()
        return len(ids), int(len(ids) == _BATCH)

    def unlink(self):
        """Delete events, and let the readers of the feed know."""
        self.check_access("unlink")
        self._note_deletion(self.ids)
        return super().unlink()

    @api.model
    def _note_deletion(self, event_ids, before=None):
        """Prepare the deletion of events: correct the tally, and note a break of the feed.

        :param before: as in ``webhook.feed.break``
        """
        self.env["webhook.tally"]._note_deletion(event_ids)
        self.env["webhook.feed.break"]._note_deletion(event_ids, before)

    def _outdated(self, before, condition=SQL()):  # noqa: B008  # SQL objects are immutable
        """Return the ids of some events that were processed before a time, and lock these."""
        if not before:
            return []
        self.env.cr.execute(
            SQL(
                """
                SELECT id FROM update_webhook
                 WHERE is_processed AND processed_at < %s %s
                 ORDER BY processed_at LIMIT %s FOR UPDATE SKIP LOCKED
                """,
                before,
                condition,
                _BATCH,
            )
        )
        return [event_id for (event_id,) in self.env.cr.fetchall()]

    def _retention_days(self, name, default):
        """Return the number of days in a system parameter; 0 means to keep everything."""
        value = self.env["ir.config_parameter"].sudo().get_param(f"auto_webhook_odoo.{name}")
        if not value:
            return default
        try:
            return max(int(value), 0)
        except ValueError:
            _logger.warning(
                "auto_webhook_odoo.%s is no number of days; all events are kept. value=%r",
                name,
                value,
            )
            return 0  # rather keep everything than delete too much


def _days_ago(days):
    """Return the time so many days ago, or None for 0."""
    return fields.Datetime.now() - timedelta(days=days) if days else None
