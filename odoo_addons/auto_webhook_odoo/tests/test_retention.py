from datetime import timedelta
from unittest.mock import ANY

from odoo import fields
from odoo.tests import tagged

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestRetention(WebhookCase):
    def old_event(self, days, **values):
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        then = fields.Datetime.now() - timedelta(days=days)
        event.write({"is_processed": True, "processed_at": then, "timestamp": then, **values})
        self.env.flush_all()
        return event

    def vacuum(self):
        """Call both methods until nothing is left, as autovacuum does."""
        with self.enter_registry_test_mode():
            for method in (
                self.env["update.webhook"]._gc_archive,
                self.env["update.webhook"]._gc_delete,
            ):
                while method()[1]:
                    pass

    def test_processed_events_are_archived_and_then_deleted(self):
        young, middle, old = (self.old_event(days) for days in (29, 31, 91))
        self.vacuum()
        self.assertEqual((young + middle + old).exists(), young + middle)
        self.assertEqual((young + middle).mapped("is_archived"), [False, True])

    def test_unprocessed_events_are_never_deleted(self):
        waiting = self.old_event(1000, is_processed=False)
        failed = self.old_event(1000, is_processed=False, failed_at=fields.Datetime.now())
        self.vacuum()
        self.assertEqual((waiting + failed).exists(), waiting + failed)
        self.assertFalse(waiting.is_archived)

    def test_the_periods_can_be_set(self):
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("auto_webhook_odoo.delete_days", "5")
        kept, gone = self.old_event(4), self.old_event(6)
        self.vacuum()
        self.assertEqual((kept + gone).exists(), kept)

    def test_zero_keeps_everything(self):
        self.env["ir.config_parameter"].sudo().set_param("auto_webhook_odoo.delete_days", "0")
        event = self.old_event(5000)
        self.vacuum()
        self.assertTrue(event.exists())

    def test_zero_can_be_entered_in_the_settings(self):
        names = ("webhook_archive_days", "webhook_delete_days", "webhook_warn_hours")
        settings = self.env["res.config.settings"]
        settings.create(dict.fromkeys(names, 0)).execute()
        self.assertEqual(settings.create({}).read(names)[0], {"id": ANY, **dict.fromkeys(names, 0)})
        event = self.old_event(5000)
        self.vacuum()
        self.assertFalse(event.is_archived)

    def test_nonsense_keeps_everything_and_is_logged(self):
        self.env["ir.config_parameter"].sudo().set_param("auto_webhook_odoo.delete_days", "soon")
        event = self.old_event(5000)
        with self.assertLogs("odoo.addons.auto_webhook_odoo", "WARNING"):
            self.vacuum()
        self.assertTrue(event.exists())

    def test_an_event_that_waits_for_an_endpoint_stays(self):
        subscriber = self.env["webhook.subscriber"].create(
            {"name": "Away", "url": "https://example.com", "state": "disabled"}
        )
        waiting, delivered = self.old_event(91), self.old_event(91)
        for event, state in ((waiting, "pending"), (delivered, "delivered")):
            self.env["webhook.delivery"].create(
                {
                    "event_id": event.id,
                    "subscriber_id": subscriber.id,
                    "model": event.model,
                    "record_id": event.record_id,
                    "next_attempt_at": event.timestamp,
                    "state": state,
                }
            )
        self.vacuum()
        self.assertEqual((waiting + delivered).exists(), waiting)
        subscriber.active = False  # it will never ask
        self.env.flush_all()
        self.vacuum()
        self.assertFalse(waiting.exists())

    def test_deliveries_and_positions_go_with_their_event(self):
        event = self.old_event(91)
        with self.enter_registry_test_mode():
            self.env["update.webhook"].pull_events()
        self.assertTrue(self.env["webhook.feed.position"].search([("event_id", "=", event.id)]))
        self.vacuum()
        self.assertFalse(self.env["webhook.feed.position"].search([("event_id", "=", event.id)]))
