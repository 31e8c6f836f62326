import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestErasureWizard(WebhookCase):
    def erase(self, record, user=None):
        wizard = self.env["webhook.erasure"].with_user(user or self.env.user)
        return wizard.create(
            {"model_id": self.env["ir.model"]._get_id(record._name), "record_id": record.id}
        ).action_erase()

    def test_values_of_all_events_of_the_record_are_blanked(self):
        partner = self.env["res.partner"].create({"name": "Ada", "email": "ada@example.com"})
        other = self.env["res.partner"].create({"name": "Grace"})
        self.next_transaction()
        partner.email = "lovelace@example.com"
        before = self.events(partner)
        self.erase(partner)
        events = self.env["update.webhook"].search([("record_id", "=", partner.id)], order="id")
        for event in events:
            self.assertEqual(json.loads(event.payload), {"_metadata": {"erased": True}})
            self.assertFalse(event.old_values)
        self.assertEqual(len(events), len(before) + 1)
        self.assertEqual(self.payload(self.events(other))["name"], "Grace")

    def test_receivers_are_told_by_an_event(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.events(partner).is_processed = True
        self.erase(partner)
        told = self.env["update.webhook"].search(
            [("record_id", "=", partner.id), ("is_processed", "=", False)]
        )
        self.assertEqual(told.event, "write")
        self.assertEqual(self.payload(told), {"_metadata": {"erased": True}})

    def test_the_event_of_an_instant_model_is_pushed(self):
        self.config.write({"priority": "high", "instant_send": True})
        subscriber = self.env["webhook.subscriber"].create(
            {"name": "Sink", "url": "https://example.com"}
        )
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.events(partner)
        self.erase(partner)
        deliveries = self.env["webhook.delivery"].search([("subscriber_id", "=", subscriber.id)])
        self.assertIn("write", deliveries.event_id.mapped("event"))

    def test_a_record_without_events_is_refused(self):
        with self.assertRaisesRegex(UserError, "No event"):
            self.erase(self.env["res.partner.category"].create({"name": "VIP"}))

    def test_only_system_administrators_erase(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.events(partner)
        manager = self.webhook_user("manager")
        with self.assertRaises(AccessError):
            self.erase(partner, manager)
