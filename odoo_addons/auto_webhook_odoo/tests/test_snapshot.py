from unittest.mock import patch

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..models import webhook_snapshot
from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestSnapshot(WebhookCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partners = cls.env["res.partner"].create([{"name": f"P{i}"} for i in range(5)])
        cls.env.cr.flush()
        cls.env.cr.postcommit.data.pop("auto_webhook_odoo.changes", None)
        cls.env["update.webhook"].search([]).unlink()

    def snapshot(self, domain=None):
        return self.env["webhook.snapshot"].create(
            {
                "config_id": self.config.id,
                "domain": str(domain or [("id", "in", self.partners.ids)]),
            }
        )

    def run_to_end(self, snapshot):
        while snapshot.state == "running":
            snapshot._run_batch()

    def test_records_become_create_events_that_are_marked(self):
        snapshot = self.snapshot()
        self.run_to_end(snapshot)
        events = self.events()
        self.assertEqual(events.mapped("record_id"), self.partners.ids)
        self.assertEqual(set(events.mapped("event")), {"create"})
        self.assertEqual(self.payload(events[0])["name"], "P0")
        self.assertEqual(self.payload(events[0])["_metadata"], {"snapshot": True})
        self.assertEqual((snapshot.state, snapshot.done), ("done", 5))

    def test_batches_and_resuming(self):
        with patch.object(webhook_snapshot, "_BATCH", 2):
            snapshot = self.snapshot()
            self.assertEqual(snapshot._run_batch(), 2)
            snapshot.action_cancel()
            self.assertEqual(snapshot.state, "cancelled")
            snapshot.action_resume()
            self.run_to_end(snapshot)
        self.assertEqual(self.events().mapped("record_id"), self.partners.ids)

    def test_archived_records_are_sent_too(self):
        self.partners[0].active = False
        self.forget()
        self.run_to_end(self.snapshot())
        self.assertIn(self.partners[0].id, self.events().mapped("record_id"))

    def test_events_are_not_pushed(self):
        self.config.write({"priority": "high", "instant_send": True})
        self.env["webhook.subscriber"].create({"name": "Sink", "url": "https://example.com"})
        self.run_to_end(self.snapshot())
        self.assertFalse(self.env["webhook.delivery"].search([]))

    def test_a_snapshot_ends_if_its_model_is_no_longer_recorded(self):
        snapshot = self.snapshot()
        self.config.active = False
        self.run_to_end(snapshot)
        self.assertEqual(snapshot.state, "cancelled")
        self.assertFalse(self.events())

    def test_a_domain_that_cannot_be_used_is_refused(self):
        for domain in ("[('no_such_field', '=', 1)]", "nonsense("):
            with self.subTest(domain=domain), self.assertRaises(ValidationError):
                self.env["webhook.snapshot"].create({"config_id": self.config.id, "domain": domain})
