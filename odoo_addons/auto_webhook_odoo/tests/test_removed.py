from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestRemoved(WebhookCase):
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
