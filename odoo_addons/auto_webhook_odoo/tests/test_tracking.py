"""Which changes become events, and which events are pushed at once."""

import json

from odoo.tests import tagged

from .common import PartnerCase


@tagged("post_install", "-at_install")
class TestFilterDomain(PartnerCase):
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
        """The change of this field alone sends nothing, but the record matched before it."""
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

    def test_a_rolled_back_match_does_not_count(self):
        partner = self.partner(city="Oslo")
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            partner.city = "Rome"
            self.env.cr.flush()
            raise ZeroDivisionError
        partner.name = "Grace"
        self.assertEqual(self.names_of_events(partner), [])


@tagged("post_install", "-at_install")
class TestTriggerFields(PartnerCase):
    def setUp(self):
        super().setUp()
        self.config.trigger_field_ids = self.field("city")

    def test_a_change_counts_if_a_trigger_changed_and_tells_all_changes(self):
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
class TestInstant(PartnerCase):
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
class TestSecretsThatDecide(PartnerCase):
    """A secret may decide whether a change counts, but it is never sent."""

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

    def test_a_secret_as_a_trigger(self):
        self.orders.trigger_field_ids = self.token
        self.assertUntold()

    def test_a_secret_as_an_instant_field(self):
        self.orders.instant_field_ids = self.token
        self.assertUntold()

    def test_a_secret_in_a_domain(self):
        self.orders.filter_domain = "[('access_token', '!=', False)]"
        self.assertUntold()
