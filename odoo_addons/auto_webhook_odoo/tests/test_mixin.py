import json

from odoo.tests import tagged

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestMixin(WebhookCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.load_fake_models("fake_models", "FakeTag", "FakeShipment", "FakeQuietShipment")
        cls.Shipment = cls.env["webhook.fake.shipment"]

    def test_a_model_is_tracked_because_it_inherits_the_mixin(self):
        shipment = self.Shipment.create({"name": "S1", "weight": 120})
        event = self.events(shipment)
        self.assertEqual(event.mapped("event"), ["create"])
        self.assertEqual((event.priority, event.category), ("high", "custom"))
        self.assertFalse(event.config_id)
        self.assertEqual(self.payload(event)["is_heavy"], True)

    def test_its_attributes_declare_events_and_fields(self):
        quiet = self.env["webhook.fake.quiet"].create({"name": "Q1", "weight": 1})
        self.assertFalse(self.events(quiet))
        self.forget()
        quiet.unlink()
        self.assertEqual(self.payload(self.events(quiet)), {"name": "Q1"})

    def test_secrets_stay_out_of_the_payload(self):
        shipment = self.Shipment.create({"access_token": "a", "note": "b"})
        values = self.payload(self.events(shipment))
        self.assertNotIn("access_token", values)
        self.assertNotIn("note", values)

    def test_computed_fields_and_links_are_changes(self):
        tag = self.env["webhook.fake.tag"].create({"name": "T"})
        shipment = self.Shipment.create({"name": "S1"})
        self.forget()
        shipment.write({"weight": 120, "tag_ids": [(4, tag.id)]})
        changed = json.loads(self.events(shipment).changed_fields)
        self.assertEqual(changed, ["is_heavy", "tag_ids", "weight"])

    def test_a_configuration_overrides_the_class(self):
        config = self.configure(self.Shipment._name, priority="low", on_create=False)
        shipment = self.Shipment.create({"name": "S1"})
        self.assertFalse(self.events(shipment))
        self.forget()
        shipment.name = "S2"
        event = self.events(shipment)
        self.assertEqual((event.priority, event.config_id), ("low", config))

    def test_an_archived_configuration_switches_it_off(self):
        config = self.configure(self.Shipment._name)
        config.active = False
        self.assertFalse(self.events(self.Shipment.create({"name": "S1"})))
        config.unlink()
        self.assertTrue(self.events(self.Shipment.create({"name": "S2"})))
