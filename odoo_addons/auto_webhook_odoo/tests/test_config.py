import json

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestConfig(WebhookCase):
    def field(self, name, model="res.partner"):
        return self.env["ir.model.fields"]._get(model, name)

    def test_events_can_be_switched_off_one_by_one(self):
        self.config.write({"on_create": False, "on_unlink": False})
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.assertFalse(self.events(partner))
        self.forget()
        partner.city = "Rome"
        self.assertEqual(self.events(partner).mapped("event"), ["write"])
        self.forget()
        partner.unlink()
        self.assertFalse(self.events(partner))

    def test_archiving_stops_recording_at_once(self):
        self.config.active = False
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.assertFalse(self.events(partner))
        self.config.active = True
        partner.city = "Rome"
        self.assertTrue(self.events(partner))

    def test_recording_can_be_stopped_whatever_is_configured(self):
        before = self.env["res.partner"].create({"name": "Ada"})
        self.env["webhook.config"]._stop_recording()
        after = self.env["res.partner"].create({"name": "Grace"})
        self.assertTrue(self.events(before))
        self.assertFalse(self.events(after))

    def test_chosen_fields_are_sent_and_nothing_else(self):
        self.config.payload_field_ids = self.field("name") | self.field("city")
        partner = self.env["res.partner"].create({"name": "Ada", "street": "Main street 1"})
        self.assertEqual(self.payload(self.events(partner)), {"city": None, "name": "Ada"})
        self.forget()
        partner.street = "Main street 2"
        self.assertFalse(self.events(partner))

    def test_old_values_can_be_left_out(self):
        self.config.include_old_values = False
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.forget()
        partner.city = "Rome"
        event = self.events(partner)
        self.assertFalse(event.old_values)
        self.assertEqual(json.loads(event.changed_fields), ["city"])

    def test_own_models_cannot_be_tracked(self):
        for model in ("update.webhook", "webhook.config", "webhook.delivery"):
            with self.assertRaisesRegex(ValidationError, "cannot be recorded"):
                self.configure(model)

    def test_a_model_has_one_configuration(self):
        with (
            self.assertRaisesRegex(Exception, "one_model_only|model_unique"),
            mute_logger("odoo.sql_db"),
        ):
            self.configure("res.partner")

    def test_instant_send_needs_high_priority(self):
        with self.assertRaisesRegex(ValidationError, "high priority"):
            self.config.instant_send = True

    def test_fields_of_another_model_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "is not a field of"):
            self.config.trigger_field_ids = self.field("login", "res.users")

    def test_fields_that_are_not_stored_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "is not stored"):
            self.config.payload_field_ids = self.field("display_name")


@tagged("post_install", "-at_install")
class TestRemovedFieldsAndModels(WebhookCase):
    """A configuration names fields and a model, which may be removed."""

    def custom_field(self, name):
        return self.env["ir.model.fields"].create(
            {
                "name": name,
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "ttype": "char",
                "state": "manual",
            }
        )

    @mute_logger("odoo.addons.auto_webhook_odoo.models.ir_model_fields")
    def test_a_selection_that_loses_its_last_field_stops_the_recording(self):
        """An empty selection would mean all fields."""
        for selection in ("payload_field_ids", "trigger_field_ids", "instant_field_ids"):
            with self.subTest(selection=selection):
                field = self.custom_field(f"x_{selection}")
                self.config.write({"active": True, selection: [(6, 0, field.ids)]})
                field.unlink()
                self.assertFalse(self.config.active)

    def test_a_selection_that_keeps_a_field_goes_on(self):
        field = self.custom_field("x_one")
        name = self.env["ir.model.fields"]._get("res.partner", "name")
        self.config.payload_field_ids = field + name
        field.unlink()
        self.assertTrue(self.config.active)
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.assertEqual(self.payload(self.events(partner)), {"name": "Ada"})

    def test_a_removed_model_takes_its_configuration_along(self):
        model = self.env["ir.model"].create({"name": "Thing", "model": "x_thing"})
        config = self.configure("x_thing")
        self.env["x_thing"].create({"x_name": "T1"})
        self.assertEqual(self.events().mapped("model"), ["x_thing"])
        model.unlink()
        self.assertFalse(config.exists())
        self.env["res.partner"].create({"name": "Ada"})
        self.assertIn("res.partner", self.events().mapped("model"))
