import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

_BATCH = 10_000  # rows at once, so that no transaction is long


class UpdateWebhook(models.Model):
    """How long events are kept. Autovacuum calls a method again while it says that work is left."""

    _inherit = "update.webhook"

    _archive_idx = models.Index("(processed_at) WHERE is_processed AND is_archived IS NOT TRUE")
    _delete_idx = models.Index("(processed_at) WHERE is_processed")

    @api.autovacuum
    def _gc_archive(self):
        """Archive processed events after ``auto_webhook_odoo.archive_days`` (default 30)."""
        days = self._retention_days("archive_days", 30)
        return self._gc(
            SQL("UPDATE update_webhook SET is_archived = TRUE"),
            SQL("AND is_archived IS NOT TRUE"),
            days,
        )

    @api.autovacuum
    def _gc_delete(self):
        """Delete processed events after ``auto_webhook_odoo.delete_days`` (default 90)."""
        days = self._retention_days("delete_days", 90)
        return self._gc(SQL("DELETE FROM update_webhook"), SQL(), days)

    def _gc(self, action, condition, days):
        """Do something with a batch of processed events; return ``(done, left)``."""
        if not days:
            return 0, 0
        before = fields.Datetime.now() - timedelta(days=days)
        self.env.cr.execute(
            SQL(
                """
                %s WHERE id IN (
                    SELECT id FROM update_webhook
                     WHERE is_processed AND processed_at < %s %s
                     ORDER BY processed_at LIMIT %s FOR UPDATE SKIP LOCKED
                )
                """,
                action,
                before,
                condition,
                _BATCH,
            )
        )
        done = self.env.cr.rowcount
        self.invalidate_model()
        return done, int(done == _BATCH)

    def _retention_days(self, name, default):
        value = self.env["ir.config_parameter"].sudo().get_param(f"auto_webhook_odoo.{name}")
        if not value:
            return default
        try:
            return max(int(value), 0)
        except ValueError:
            _logger.warning("auto_webhook_odoo.%s is no number of days: %r", name, value)
            return 0  # keep everything rather than delete too much
