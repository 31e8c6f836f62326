"""Which changes count, which are sent at once, and what becomes of values that cannot be sent."""

import json

from odoo.tests import tagged

from ..capture.events import LIMIT_PARAMETER
from .common import WebhookCase
from .fake_model_loader import FakeModelLoader


class FilterCase(WebhookCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["webhook.config"].search([("model_name", "!=", "res.partner")]).unlink()
        cls.Partner = cls.env["res.partner"].with_context(tracking_disable=True)

    def field(self, *names):
        fields = self.env["ir.model.fields"]
        return fields.browse([fields._get("res.partner", name).id for name in names])

    def partner(self, **values):
        """Return a partner of an earlier transaction."""
        partner = self.Partner.create({"name": "Ada", **values})
        self.forget()
        return partner

    def names_of_events(self, *records):
        return self.events(*records).mapped("event")


@tagged("post_install", "-at_install")
class TestFilterDomain(FilterCase):
    def setUp(self):
        super().setUp()
        self.config.filter_domain = "[('city', '=', 'Rome')]"

    def test_a_record_that_enters_is_reported(self):
        partner = self.partner(city="Oslo")
        partner.city = "Rome"
        self.assertEqual(self.names_of_events(partner), ["write"])

    def test_a_record_that_leaves_is_reported_once(self):
        partner = self.partner(city="Rome")
        partner.city = "Oslo"
        self.assertEqual(self.names_of_events(partner), ["write"])
        self.forget()
        partner.city = "Bern"
        self.assertEqual(self.names_of_events(partner), [])

    def test_a_record_that_leaves_in_two_steps_is_reported(self):
        partner = self.partner(city="Rome")
        partner.city = "Oslo"
        self.env.cr.flush()
        partner.city = "Bern"
        self.assertEqual(self.names_of_events(partner), ["write"])

    def test_a_record_that_matches_only_in_between_is_not_reported(self):
        partner = self.partner(city="Oslo")
        partner.city = "Rome"
        self.env.cr.flush()
        self.assertEqual(self.names_of_events(partner), ["write"])
        partner.city = "Bern"
        self.assertEqual(self.names_of_events(partner), [])

    def test_a_record_outside_is_not_reported(self):
        partner = self.partner(city="Oslo")
        partner.write({"name": "Grace"})
        self.assertEqual(self.names_of_events(partner), [])

    def test_a_created_record_counts_by_its_final_values(self):
        inside, outside = self.Partner.create([{"name": "A", "city": c} for c in ("Rome", "Oslo")])
        inside.city, outside.city = "Oslo", "Rome"
        self.assertEqual(self.names_of_events(inside), [])
        self.assertEqual(self.names_of_events(outside), ["create"])

    def test_a_deleted_record_counts_by_its_first_values(self):
        inside, outside = self.partner(city="Rome"), self.partner(city="Oslo")
        inside.city, outside.city = "Oslo", "Rome"
        self.env.cr.flush()
        (inside + outside).unlink()
        self.assertEqual(self.names_of_events(inside), ["unlink"])
        self.assertEqual(self.names_of_events(outside), [])

    def test_an_archived_record_matches_too(self):
        partner = self.partner(city="Rome", active=False)
        partner.name = "Grace"
        self.assertEqual(self.names_of_events(partner), ["write"])

    def test_leaving_through_a_link_is_reported(self):
        tag = self.env["res.partner.category"].create({"name": "VIP"})
        self.config.filter_domain = f"[('category_id', 'in', [{tag.id}])]"
        partner = self.partner(category_id=tag.ids)
        tag.partner_ids = False
        self.assertEqual(self.names_of_events(partner), ["write"])

    def test_leaving_because_the_other_side_was_deleted_is_reported(self):
        tag = self.env["res.partner.category"].create({"name": "VIP"})
        self.config.filter_domain = f"[('category_id', 'in', [{tag.id}])]"
        partner = self.partner(category_id=tag.ids)
        tag.unlink()
        self.assertEqual(self.names_of_events(partner), ["write"])

    def test_a_condition_on_another_record(self):
        belgium = self.env.ref("base.be")
        self.config.filter_domain = "[('country_id.code', '=', 'BE')]"
        partner = self.partner(country_id=belgium.id)
        partner.country_id = self.env.ref("base.fr")
        self.assertEqual(self.names_of_events(partner), ["write"])
        self.forget()
        partner.name = "Grace"
        self.assertEqual(self.names_of_events(partner), [])

    def test_a_domain_within_a_domain(self):
        self.config.filter_domain = (
            "['|', ('city', '=', 'X'), ('child_ids', 'any', [('city', '=', 'Rome')])]"
        )
        parent = self.partner(is_company=True, child_ids=[(0, 0, {"name": "Kid", "city": "Rome"})])
        other = self.partner()
        (parent + other).write({"name": "Grace"})
        self.assertEqual(self.names_of_events(parent), ["write"])
        self.assertEqual(self.names_of_events(other), [])

    def test_leaving_through_a_field_that_is_not_sent(self):
        """Its change alone is no change of what is sent, but the record did match before."""
        self.config.payload_field_ids = self.field("name")
        partner = self.partner(city="Rome")
        partner.city = "Oslo"
        self.env.flush_all()
        partner.name = "Grace"
        self.assertEqual(self.names_of_events(partner), ["write"])

    def test_a_domain_is_asked_with_what_was_committed(self):
        """A value that waits in the cache is not what the record was before."""
        partner = self.partner(city="Oslo")
        partner.city = "Rome"
        partner.unlink()
        self.assertEqual(self.names_of_events(partner), [])

    def test_a_rolled_back_visit_does_not_count(self):
        partner = self.partner(city="Oslo")
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            partner.city = "Rome"
            self.env.cr.flush()
            raise ZeroDivisionError
        partner.name = "Grace"
        self.assertEqual(self.names_of_events(partner), [])


@tagged("post_install", "-at_install")
class TestTriggerFields(FilterCase):
    def setUp(self):
        super().setUp()
        self.config.trigger_field_ids = self.field("city")

    def test_only_a_change_of_these_counts_but_all_changes_are_told(self):
        partner = self.partner(city="Rome")
        partner.street = "Main street 1"
        self.assertEqual(self.names_of_events(partner), [])
        self.env.cr.flush()
        partner.city = "Oslo"
        event = self.events(partner)
        self.assertEqual(json.loads(event.changed_fields), ["city", "street"])

    def test_a_trigger_that_is_written_but_not_changed_does_not_count(self):
        partner = self.partner(city="Rome")
        self.env.invalidate_all()
        partner.write({"city": "Rome", "street": "Main street 1"})
        self.assertEqual(self.names_of_events(partner), [])

    def test_create_and_unlink_count_always(self):
        partner = self.Partner.create({"name": "Ada"})
        self.assertEqual(self.names_of_events(partner), ["create"])
        self.forget()
        partner.unlink()
        self.assertEqual(self.names_of_events(partner), ["unlink"])

    def test_a_trigger_that_is_not_sent(self):
        self.config.payload_field_ids = self.field("name")
        partner = self.partner(city="Rome")
        partner.city = "Oslo"
        event = self.events(partner)
        self.assertEqual(json.loads(event.changed_fields), ["city"])
        self.assertEqual(json.loads(event.old_values), {"city": "Rome"})
        self.assertEqual(self.payload(event), {"name": "Ada"})

    def test_links_trigger_from_either_side(self):
        self.config.trigger_field_ids = self.field("category_id")
        tag = self.env["res.partner.category"].create({"name": "VIP"})
        partner = self.partner()
        tag.partner_ids = partner
        self.assertEqual(self.names_of_events(partner), ["write"])


@tagged("post_install", "-at_install")
class TestInstant(FilterCase):
    """An event is sent at once if there is a delivery of it when the transaction ends."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["webhook.subscriber"].search([]).unlink()
        cls.env["webhook.subscriber"].create({"name": "There", "url": "https://example.com/hook"})
        cls.config.write({"priority": "high", "instant_send": True})

    def assertInstant(self, partner, expected):
        event = self.events(partner)
        self.assertEqual(len(event), 1)
        self.assertEqual(bool(event.delivery_ids), expected)

    def test_every_event_without_criteria(self):
        self.assertInstant(self.Partner.create({"name": "Ada"}), True)

    def test_a_record_that_enters_and_leaves_the_domain(self):
        self.config.instant_domain = "[('city', '=', 'Rome')]"
        partner = self.partner(city="Oslo")
        partner.city = "Rome"
        self.assertInstant(partner, True)
        self.forget()
        partner.city = "Oslo"
        self.assertInstant(partner, True)
        self.forget()
        partner.city = "Bern"
        self.assertInstant(partner, False)

    def test_a_record_that_is_instant_only_in_between(self):
        self.config.instant_domain = "[('city', '=', 'Rome')]"
        partner = self.partner(city="Oslo")
        partner.city = "Rome"
        self.assertInstant(partner, True)
        partner.city = "Bern"
        self.assertInstant(partner, False)

    def test_both_domains_are_asked(self):
        self.config.instant_domain = "[('city', '=', 'Rome')]"
        self.config.filter_domain = "[('is_company', '=', True)]"
        company, person, far = self.Partner.create(
            [
                {"name": "A", "city": "Rome", "is_company": True},
                {"name": "B", "city": "Rome"},
                {"name": "C", "city": "Oslo", "is_company": True},
            ]
        )
        self.assertInstant(company, True)
        self.assertFalse(self.events(person))
        self.assertInstant(far, False)

    def test_only_a_change_of_these_fields(self):
        self.config.instant_field_ids = self.field("city")
        partner = self.partner(city="Rome")
        partner.street = "Main street 1"
        self.assertInstant(partner, False)
        self.forget()
        partner.city = "Oslo"
        self.assertInstant(partner, True)

    def test_a_field_that_decides_but_is_not_sent(self):
        self.config.payload_field_ids = self.field("name")
        self.config.instant_field_ids = self.field("city")
        partner = self.partner(city="Rome")
        partner.city = "Oslo"
        self.assertInstant(partner, True)
        self.assertEqual(self.payload(self.events(partner)), {"name": "Ada"})

    def test_a_rolled_back_change_is_not_sent(self):
        self.config.instant_field_ids = self.field("city")
        partner = self.partner(city="Rome")
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            partner.city = "Oslo"
            self.assertInstant(partner, True)
            raise ZeroDivisionError
        partner.street = "Main street 1"
        self.assertInstant(partner, False)


@tagged("post_install", "-at_install")
class TestReducedPayloads(FilterCase):
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
class TestValuesThatCannotBeSent(FilterCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        loader = FakeModelLoader(cls.env, cls.__module__)
        loader.backup_registry()
        cls.addClassCleanup(loader.restore_registry)
        from .fake_models import FakeShipment, FakeTag

        loader.update_registry((FakeTag, FakeShipment))
        cls.env.registry.clear_cache()
        cls.addClassCleanup(cls.env.registry.clear_cache)
        cls.Shipment = cls.env["webhook.fake.shipment"]

    def test_no_number_becomes_null_and_is_named(self):
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

    def test_only_the_records_that_hold_it_say_so(self):
        bad, good = self.Shipment.create([{"weight": float("nan")}, {"weight": 1.5}])
        self.assertIn("_metadata", self.payload(self.events(bad)))
        self.assertNotIn("_metadata", self.payload(self.events(good)))
        self.assertEqual(self.payload(self.events(good))["weight"], 1.5)

    def test_all_records_that_hold_it_say_so(self):
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

    def test_writing_it_again_is_no_change(self):
        shipment = self.Shipment.create({"weight": float("nan")})
        self.forget()
        self.env.invalidate_all()
        shipment.weight = float("nan")
        self.assertEqual(self.names_of_events(shipment), [])

    def test_it_is_still_named_when_the_payload_is_reduced(self):
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


@tagged("post_install", "-at_install")
class TestSecretsThatDecide(FilterCase):
    """A secret may decide whether a change counts, without being told."""

    def setUp(self):
        super().setUp()
        self.orders = self.configure("sale.order")
        self.order = self.env["sale.order"].create(
            {"partner_id": self.Partner.create({"name": "Ada"}).id, "access_token": "first-6f1c"}
        )
        self.forget()
        self.token = self.env["ir.model.fields"]._get("sale.order", "access_token")

    def assertUntold(self):
        self.order.write({"access_token": "second-93ab", "client_order_ref": "PO-1"})
        event = self.events(self.order)
        self.assertEqual(event.mapped("event"), ["write"])
        for text in (event.payload, event.old_values):
            self.assertNotIn("first-6f1c", text)
            self.assertNotIn("second-93ab", text)

    def test_as_a_trigger(self):
        self.orders.trigger_field_ids = self.token
        self.assertUntold()

    def test_as_an_instant_field(self):
        self.orders.instant_field_ids = self.token
        self.assertUntold()

    def test_in_a_domain(self):
        self.orders.filter_domain = "[('access_token', '!=', False)]"
        self.assertUntold()
