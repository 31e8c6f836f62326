import json
from unittest.mock import patch

from odoo.tests import tagged

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestCapture(WebhookCase):
    def test_create_and_writes_are_one_create_with_the_final_values(self):
        partner = self.env["res.partner"].create({"name": "Ada", "city": "Rome"})
        partner.write({"city": "Oslo"})
        self.env.cr.flush()
        partner.write({"city": "Bern"})
        event = self.events(partner)
        self.assertEqual(event.mapped("event"), ["create"])
        self.assertEqual(self.payload(event)["city"], "Bern")
        self.assertFalse(event.old_values)

    def test_a_create_that_is_flushed_in_its_middle_is_still_a_create(self):
        def validate_and_flush(records, *args):
            records.env.flush_all()  # as a constraint does that searches
            return original(records, *args)

        model = self.env.registry["res.partner"]
        original = model._validate_fields
        with patch.object(model, "_validate_fields", validate_and_flush):
            partner = self.env["res.partner"].create({"name": "Ada"})
        self.assertEqual(self.events(partner).event, "create")

    def test_writes_are_one_write_from_the_first_to_the_last_value(self):
        partner = self.env["res.partner"].create({"name": "Ada", "city": "Rome"})
        self.forget()
        partner.write({"city": "Oslo"})
        self.env.cr.flush()
        partner.write({"city": "Bern", "street": "Main street 1"})
        event = self.events(partner)
        self.assertEqual(event.mapped("event"), ["write"])
        self.assertEqual(json.loads(event.changed_fields), ["city", "street"])
        self.assertEqual(json.loads(event.old_values), {"city": "Rome", "street": None})
        self.assertEqual(self.payload(event)["city"], "Bern")

    def test_a_write_that_changes_nothing_is_no_event(self):
        partner = self.env["res.partner"].create({"name": "Ada", "city": "Rome"})
        self.forget()
        self.env.invalidate_all()
        partner.write({"city": "Rome"})
        self.assertFalse(self.events(partner))

    def test_a_change_that_is_taken_back_leaves_no_event(self):
        partner = self.env["res.partner"].create({"name": "Ada", "city": "Rome"})
        self.forget()
        partner.write({"city": "Oslo"})
        self.assertEqual(len(self.events(partner)), 1)
        partner.write({"city": "Rome"})
        self.assertFalse(self.events(partner))

    def test_create_and_unlink_are_no_event(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.assertEqual(len(self.events(partner)), 1)
        partner.unlink()
        self.assertFalse(self.events(partner))

    def test_write_and_unlink_are_one_unlink_with_the_last_committed_values(self):
        partner = self.env["res.partner"].create({"name": "Ada", "city": "Rome"})
        self.forget()
        partner.write({"city": "Oslo"})
        self.env.cr.flush()
        partner.unlink()
        event = self.events(partner)
        self.assertEqual(event.mapped("event"), ["unlink"])
        self.assertEqual(self.payload(event)["city"], "Rome")

    def test_a_savepoint_that_is_rolled_back_takes_its_events_along(self):
        partner = self.env["res.partner"].create({"name": "Ada", "city": "Rome"})
        self.forget()
        partner.write({"city": "Oslo"})
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            partner.write({"city": "Bern"})
            self.env["res.partner"].create({"name": "Grace"})
            self.assertEqual(len(self.events()), 2)
            raise ZeroDivisionError
        event = self.events()
        self.assertEqual(event.record_id, partner.id)
        self.assertEqual(self.payload(event)["city"], "Oslo")

    def test_going_on_after_a_rolled_back_savepoint_writes_one_event(self):
        partner = self.env["res.partner"].create({"name": "Ada", "city": "Rome"})
        self.forget()
        partner.write({"city": "Oslo"})
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            partner.write({"city": "Bern"})
            self.env.cr.flush()
            raise ZeroDivisionError
        partner.write({"street": "Main street 1"})
        event = self.events(partner)
        self.assertEqual(len(event), 1)
        self.assertEqual(json.loads(event.changed_fields), ["city", "street"])

    def test_recomputed_stored_fields_are_changes(self):
        parent = self.env["res.partner"].create({"name": "Works", "is_company": True})
        child = self.env["res.partner"].create({"name": "Ada", "parent_id": parent.id})
        self.forget()
        parent.name = "New Works"
        self.assertIn("complete_name", json.loads(self.events(child).changed_fields))

    def test_many2many_links_of_the_record_are_changes(self):
        tag = self.env["res.partner.category"].create({"name": "VIP"})
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.forget()
        partner.category_id = [(4, tag.id)]
        event = self.events(partner)
        self.assertEqual(json.loads(event.changed_fields), ["category_id"])
        self.assertEqual(self.payload(event)["category_id"], [tag.id])
        self.assertEqual(json.loads(event.old_values), {"category_id": []})

    def test_values_look_as_the_protocol_says(self):
        country = self.env.ref("base.be")
        partner = self.env["res.partner"].create({"name": "Ada", "country_id": country.id})
        values = self.payload(self.events(partner))
        self.assertEqual(values["country_id"], {"id": country.id, "name": country.display_name})
        self.assertIs(values["is_company"], False)
        self.assertIsNone(values["street"])
        self.assertEqual(values["category_id"], [])
        self.assertRegex(values["create_date"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*Z$")
        self.assertNotIn("child_ids", values)
        self.assertNotIn("image_1920", values)

    def test_a_password_is_in_no_payload(self):
        self.configure("res.users")
        user = self.env["res.users"].create(
            {"name": "Ada", "login": "ada", "password": "geheim-17"}
        )
        event = self.events(user)
        self.assertNotIn("password", self.payload(event))
        self.assertNotIn("geheim-17", event.payload)

    def test_user_and_time_are_those_of_the_change(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        self.assertEqual(event.user_id, self.env.user)
        self.assertTrue(event.timestamp)
        self.assertEqual(event.config_id, self.config)

    def test_models_that_are_not_tracked_leave_no_event(self):
        self.env["res.partner.category"].create({"name": "VIP"})
        self.assertFalse(self.events())
        self.assertFalse(self.env.cr.postcommit.data.get("auto_webhook_odoo.changes"))

    def test_many_records_are_written_with_one_statement(self):
        # mail's own pre-commit hook would be counted, too
        partners = self.env["res.partner"].with_context(tracking_disable=True)
        partners = partners.create([{"name": f"P{i}"} for i in range(40)])
        few = partners[:2]
        self.forget()
        few.write({"city": "Rome"})
        count_few = self._queries_of_flush()
        self.forget()
        partners.write({"city": "Oslo"})
        self.assertEqual(self._queries_of_flush(), count_few)
        self.assertEqual(len(self.events()), 40)

    def _queries_of_flush(self):
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        self.env.cr.precommit.run()
        return self.env.cr.sql_log_count - before
