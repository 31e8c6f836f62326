"""Payloads that are too large, and values that JSON cannot express."""

import json

from odoo.tests import tagged

from ..capture.events import LIMIT_PARAMETER
from .common import PartnerCase


@tagged("post_install", "-at_install")
class TestReducedPayloads(PartnerCase):
    def limit(self, size):
        self.env["ir.config_parameter"].set_param(LIMIT_PARAMETER, str(size))

    def test_a_small_payload_is_whole(self):
        self.limit(100_000)
        self.assertNotIn("_metadata", self.payload(self.events(self.Partner.create({"name": "A"}))))

    def test_reduced_to_the_changed_fields(self):
        partner = self.partner(comment="x" * 3000, city="Rome")
        self.limit(1000)
        partner.city = "Oslo"
        event = self.events(partner)
        self.assertEqual(
            self.payload(event), {"city": "Oslo", "_metadata": {"reduced_to": "changed_fields"}}
        )
        self.assertEqual(json.loads(event.changed_fields), ["city"])
        self.assertEqual(json.loads(event.old_values), {"city": "Rome"})

    def test_reduced_to_nothing(self):
        partner = self.partner()
        self.limit(1000)
        partner.comment = "x" * 3000
        event = self.events(partner)
        self.assertEqual(self.payload(event), {"_metadata": {"reduced_to": "nothing"}})
        self.assertEqual(json.loads(event.changed_fields), ["comment"])
        self.assertFalse(event.old_values)

    def test_reduced_because_of_old_values(self):
        partner = self.partner(comment="x" * 3000)
        self.limit(1000)
        partner.comment = "short"
        event = self.events(partner)
        self.assertEqual(self.payload(event), {"_metadata": {"reduced_to": "nothing"}})
        self.assertFalse(event.old_values)

    def test_a_created_record_is_reduced_to_nothing(self):
        self.limit(1000)
        event = self.events(self.Partner.create({"name": "Ada", "comment": "x" * 3000}))
        self.assertEqual(self.payload(event), {"_metadata": {"reduced_to": "nothing"}})

    def test_a_deleted_record_is_reduced_to_nothing(self):
        partner = self.partner(comment="x" * 3000)
        self.limit(1000)
        partner.unlink()
        event = self.events(partner)
        self.assertEqual(self.payload(event), {"_metadata": {"reduced_to": "nothing"}})

    def test_the_limit_counts_bytes(self):
        self.config.payload_field_ids = self.field("name")
        partner = self.partner()
        self.limit(100)
        partner.name = "雪" * 40  # 120 bytes
        self.assertEqual(
            self.payload(self.events(partner)), {"_metadata": {"reduced_to": "nothing"}}
        )

    def test_only_the_large_ones_are_reduced(self):
        large, small = self.partner(comment="x" * 30_000), self.partner()
        self.limit(10_000)
        (large + small).write({"city": "Oslo"})
        self.assertEqual(self.payload(self.events(large)).keys(), {"city", "_metadata"})
        self.assertEqual(self.payload(self.events(small))["name"], "Ada")
        self.assertNotIn("_metadata", self.payload(self.events(small)))


@tagged("post_install", "-at_install")
class TestValuesThatCannotBeSent(PartnerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.load_fake_models("fake_models", "FakeTag", "FakeShipment")
        cls.Shipment = cls.env["webhook.fake.shipment"]

    def test_nan_and_infinity_become_null_and_are_named(self):
        for value in ("nan", "inf", "-inf"):
            shipment = self.Shipment.create({"name": value, "weight": float(value)})
            values = self.payload(self.events(shipment))
            self.assertIsNone(values["weight"])
            self.assertEqual(values["_metadata"], {"not_serialisable": ["weight"]})
            self.assertEqual(values["name"], value)

    def test_the_record_is_saved_all_the_same(self):
        shipment = self.Shipment.create({"name": "S", "weight": float("nan")})
        self.env.cr.flush()
        self.env.invalidate_all()
        self.assertNotEqual(shipment.weight, shipment.weight)

    def test_only_records_with_such_a_value_name_it(self):
        bad, good = self.Shipment.create([{"weight": float("nan")}, {"weight": 1.5}])
        self.assertIn("_metadata", self.payload(self.events(bad)))
        self.assertNotIn("_metadata", self.payload(self.events(good)))
        self.assertEqual(self.payload(self.events(good))["weight"], 1.5)

    def test_all_records_with_such_a_value_name_it(self):
        shipments = self.Shipment.create([{"weight": float("inf")}] * 3)
        for shipment in shipments:
            values = self.payload(self.events(shipment))
            self.assertEqual(values["_metadata"], {"not_serialisable": ["weight"]})

    def test_an_old_value_becomes_null(self):
        shipment = self.Shipment.create({"weight": float("nan")})
        self.forget()
        shipment.weight = 2
        event = self.events(shipment)
        self.assertEqual(json.loads(event.old_values), {"weight": None})
        values = self.payload(event)
        self.assertEqual(values["weight"], 2)
        self.assertEqual(values["_metadata"], {"old_not_serialisable": ["weight"]})

    def test_writing_nan_again_is_no_change(self):
        shipment = self.Shipment.create({"weight": float("nan")})
        self.forget()
        self.env.invalidate_all()
        shipment.weight = float("nan")
        self.assertEqual(self.names_of_events(shipment), [])

    def test_a_reduced_payload_still_names_it(self):
        shipment = self.Shipment.create({"name": "S", "weight": 1})
        self.forget()
        self.env["ir.config_parameter"].set_param(LIMIT_PARAMETER, "10")
        shipment.weight = float("nan")
        metadata = self.payload(self.events(shipment))["_metadata"]
        self.assertEqual(metadata, {"not_serialisable": ["weight"], "reduced_to": "nothing"})

    def test_dates_that_python_cannot_hold(self):
        partner = self.partner()
        self.env.cr.execute(
            "UPDATE res_partner SET create_date = 'infinity' WHERE id = %s", [partner.id]
        )
        self.env.invalidate_all()
        partner.city = "Oslo"
        values = self.payload(self.events(partner))
        self.assertIsNone(values["create_date"])
        self.assertEqual(values["_metadata"], {"not_serialisable": ["create_date"]})

    def test_text_that_looks_like_the_way_it_is_stored(self):
        text = 'line\nbreak "quoted" \\ back % percent %s \t\u2028 雪'
        first, second = self.Shipment.create([{"name": text}, {"name": text + "2"}])
        self.assertEqual(self.payload(self.events(first))["name"], text)
        self.assertEqual(self.payload(self.events(second))["name"], text + "2")
