import json
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from .common import FeedCase
from .common_http import FeedHttpCase

CONSUMER = "auto_webhook_odoo.group_webhook_consumer"
RECEIVER = "auto_webhook_odoo.group_webhook_receiver"
GONE = {"_metadata": {"gone": True}}


class RulesCase(FeedCase):
    """A user who follows record rules, and a rule that hides the contacts in Rome."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.phone = new_test_user(cls.env, "phone", groups=f"base.group_user,{CONSUMER}")
        cls.rule = cls.hide("res.partner", [("city", "=", "Rome")])
        cls.Partner = cls.env["res.partner"].with_context(tracking_disable=True)

    def setUp(self):
        super().setUp()
        self.forget()

    @classmethod
    def hide(cls, model_name, domain):
        """Let nobody but the superuser read the records in a domain."""
        return cls.env["ir.rule"].create(
            {
                "name": f"Hidden {model_name}",
                "model_id": cls.env["ir.model"]._get_id(model_name),
                "domain_force": str(["!", *domain]),
                "perm_write": False,
                "perm_create": False,
                "perm_unlink": False,
            }
        )

    def new(self, name, **values):
        partner = self.Partner.create({"name": name, **values})
        self.next_transaction()
        return partner

    def change(self, record, **values):
        record.write(values)
        self.next_transaction()

    def told(self, user=None, **filters):
        """Return ``[(event, record id, payload)]`` of what a user pulls."""
        page = self.pull(user=user or self.phone, **filters)
        return [(e["event"], e["record_id"], e["payload"]) for e in page["events"]]


@tagged("post_install", "-at_install")
class TestRecordRules(RulesCase):
    """What the feed shows a user who follows record rules."""

    def test_records_that_may_be_read_come_as_for_everybody(self):
        ada = self.new("Ada")
        self.change(ada, city="Turin")
        events = self.pull(user=self.phone)["events"]
        self.assertEqual([event["event"] for event in events], ["create", "write"])
        self.assertEqual(events[1]["changed_fields"], ["city"])
        self.assertEqual(events[1]["old_values"], {"city": None})
        self.assertEqual(events[1]["user_id"], self.env.uid)

    def test_a_record_that_never_could_be_read_is_not_created(self):
        self.new("Ada", city="Rome")
        page = self.pull(user=self.phone)
        self.assertEqual((page["events"], page["count"], page["has_more"]), ([], 0, False))

    def test_a_record_that_may_not_be_read_any_more_is_gone_whatever_happened_before(self):
        ada = self.new("Ada", phone="1")
        self.change(ada, phone="2")
        self.change(ada, city="Rome")
        writes = self.pull(user=self.phone)["events"]
        self.assertEqual(len(writes), 2)
        for event in writes:
            nothing = dict.fromkeys(("changed_fields", "old_values", "user_id", "user_name"))
            wanted = {"event": "unlink", "record_id": ada.id, "payload": GONE, **nothing}
            self.assertEqual(event, event | wanted)
        self.assertNotIn("Ada", json.dumps(writes))

    def test_a_record_that_may_be_read_again_comes_with_its_values(self):
        ada = self.new("Ada", city="Rome")
        self.assertEqual(self.told(), [])
        self.change(ada, city="Turin")
        self.assertEqual([event for event, _id, _payload in self.told()], ["create", "write"])
        self.assertEqual(self.told()[1][2]["city"], "Turin")

    def test_a_deleted_record_is_gone(self):
        ada = self.new("Ada")
        ada_id = ada.id
        self.change(ada, city="Turin")
        ada.unlink()
        self.assertEqual(self.told(), [("unlink", ada_id, GONE)] * 2)

    def test_archived_records_may_be_read(self):
        ada = self.new("Ada")
        self.change(ada, active=False)
        self.assertEqual([event for event, _id, _payload in self.told()], ["create", "write"])

    def test_events_of_a_model_that_may_not_be_read_do_not_exist(self):
        self.configure("ir.cron")
        self.env["ir.cron"].search([], limit=1).priority = 8
        self.next_transaction()
        self.new("Ada")
        self.assertEqual([event["model"] for event in self.pull(user=self.phone)["events"]],
                         ["res.partner"])  # fmt: skip
        with self.assertRaises(AccessError):
            self.pull(user=self.phone, models=["ir.cron"])

    def test_all_companies_of_the_user_count(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.phone.company_ids |= other
        self.forget()
        self.new("Ada", company_id=other.id)
        self.new("Grace", company_id=self.env.company.id)
        for context in ({}, {"allowed_company_ids": self.env.company.ids}, {"active_test": True}):
            with self.subTest(context=context), self.enter_registry_test_mode():
                events = self.env["update.webhook"].with_user(self.phone).with_context(**context)
                self.assertEqual(self.names(events.pull_events()), ["Ada", "Grace"])

    def test_the_cursor_moves_on_over_pages_of_nothing(self):
        for number in range(6):
            self.new(f"Hidden {number}", city="Rome")
        self.new("Ada")
        cursor, pages = 0, []
        while not pages or pages[-1]["has_more"]:
            pages.append(self.pull(cursor, limit=2, user=self.phone))
            self.assertGreater(pages[-1]["last_id"], cursor)
            cursor = pages[-1]["last_id"]
        self.assertEqual([page["count"] for page in pages], [0, 0, 0, 1])

    def test_searches_do_not_grow_with_the_page(self):
        tags = self.env["res.partner.category"].create([{"name": f"T{i}"} for i in range(5)])

        def queries(number):
            for _ in range(number):
                self.new("Ada", category_id=[Command.set(tags.ids)])
            before = self.env.cr.sql_log_count
            self.pull(user=self.phone)
            return self.env.cr.sql_log_count - before

        queries(1)
        self.assertEqual(queries(1), queries(20))

    def test_users_who_do_not_follow_rules_see_all(self):
        self.new("Ada", city="Rome")
        self.phone.webhook_follow_rules = False
        self.assertEqual(self.names(self.pull(user=self.phone)), ["Ada"])

    def test_models_may_be_restricted_as_well(self):
        self.configure("res.partner.category")
        self.new("Ada")
        self.env["res.partner.category"].create({"name": "VIP"})
        ids = [self.env["ir.model"]._get_id("res.partner.category")]
        self.phone.write({"webhook_scope": "some", "webhook_model_ids": [Command.set(ids)]})
        self.assertEqual(self.names(self.pull(user=self.phone)), ["VIP"])


@tagged("post_install", "-at_install")
class TestFieldsOfReaders(RulesCase):
    """Values, old values and names of fields are those that the user may read."""

    def restrict(self, model_name, name):
        field = self.env[model_name]._fields[name]
        self.patch(field, "groups", "base.group_system")
        self.env.registry.clear_cache()

    def test_fields_of_groups(self):
        ada = self.new("Ada", function="1", city="Turin")
        self.change(ada, function="2", city="Pisa")
        self.restrict("res.partner", "function")
        created, written = self.pull(user=self.phone)["events"]
        self.assertNotIn("function", created["payload"])
        self.assertEqual(created["payload"]["city"], "Turin")
        self.assertNotIn("function", written["payload"])
        self.assertEqual(written["changed_fields"], ["city"])
        self.assertEqual(written["old_values"], {"city": "Turin"})

    def test_fields_that_are_no_more_are_left_out(self):
        self.new("Ada")
        event = self.events()
        values = self.payload(event)
        metadata = {"not_serialisable": ["x_gone", "city"], "reduced_to": "changed_fields"}
        event.payload = json.dumps({**values, "x_gone": "secret", "_metadata": metadata})
        ((_event, _id, payload),) = self.told()
        metadata = {"not_serialisable": ["city"], "reduced_to": "changed_fields"}
        self.assertEqual(payload, {**values, "_metadata": metadata})

    def test_lists_hold_only_records_that_may_be_read(self):
        tags = self.env["res.partner.category"].create([{"name": "Mine"}, {"name": "Secret"}])
        self.hide("res.partner.category", [("name", "=", "Secret")])
        ada = self.new("Ada", category_id=[Command.set(tags.ids)])
        self.change(ada, category_id=[Command.clear()])
        created, written = self.pull(user=self.phone)["events"]
        self.assertEqual(created["payload"]["category_id"], tags[0].ids)
        self.assertEqual(written["old_values"]["category_id"], tags[0].ids)

    def test_lists_of_models_that_may_not_be_read_are_empty(self):
        tags = self.env["res.partner.category"].create([{"name": "Secret"}])
        self.new("Ada", category_id=[Command.set(tags.ids)])
        access = self.env["ir.model.access"].search([("model_id.model", "=", tags._name)])
        access.active = False
        self.assertEqual(self.told()[0][2]["category_id"], [])

    def test_names_that_odoo_shows_are_shown(self):
        """Odoo shows the name of a record to everybody who may read the field that points at it."""
        self.hide("res.partner", [("name", "=", "Boss")])
        boss = self.new("Boss", is_company=True)
        ada = self.new("Ada", parent_id=boss.id)
        shown = ada.with_user(self.phone).read(["parent_id"])[0]["parent_id"]
        self.assertEqual(shown, (boss.id, "Boss"))
        (payload,) = [payload for _event, record_id, payload in self.told() if record_id == ada.id]
        self.assertEqual(payload["parent_id"], {"id": boss.id, "name": "Boss"})

    def test_values_of_a_foreign_company_are_left_out(self):
        """The value of a contact without a company is that of the main company."""
        other = self.env["res.company"].create({"name": "Other"})
        self.phone.write({"company_ids": [Command.set(other.ids)], "company_id": other.id})
        self.forget()
        self.new("Ada", barcode="1")
        self.new("Grace", company_id=other.id).with_company(other).barcode = "2"
        self.next_transaction()
        self.assertTrue(self.Partner._fields["barcode"].company_dependent)
        barcodes = {payload["name"]: payload.get("barcode") for _, _, payload in self.told()}
        self.assertEqual(barcodes, {"Ada": None, "Grace": "2"})
        self.assertNotIn("barcode", self.told()[0][2])


@tagged("post_install", "-at_install")
class TestWhoFollowsRules(RulesCase):
    """Following record rules, the rest of the addon, and other ways to the events."""

    def user(self, login, *groups, **values):
        return new_test_user(self.env, login, groups=",".join(groups), **values)

    def test_new_users_of_the_group_follow_and_those_who_confirm_do_not(self):
        self.assertTrue(self.phone.webhook_follow_rules)
        self.assertFalse(self.user("a", RECEIVER).webhook_follow_rules)
        self.assertFalse(self.user("b", "base.group_system").webhook_follow_rules)
        self.assertFalse(self.user("c", CONSUMER, webhook_follow_rules=False).webhook_follow_rules)
        self.assertTrue(self.user("d", RECEIVER, webhook_follow_rules=True).webhook_follow_rules)
        self.assertFalse(self.user("e", "base.group_user").webhook_follow_rules)

    def test_users_who_join_the_group_follow(self):
        consumers, clerk = self.env.ref(CONSUMER), self.user("clerk", "base.group_user")
        clerk.group_ids |= consumers
        self.assertTrue(clerk.webhook_follow_rules)
        another = self.user("another", "base.group_user")
        consumers.user_ids |= another
        self.assertTrue(another.webhook_follow_rules)
        group = self.env["res.groups"].create({"name": "Sellers"})
        third = self.user("third", "base.group_user")
        third.group_ids |= group
        self.assertFalse(third.webhook_follow_rules)
        group.implied_ids = consumers
        self.assertTrue(third.webhook_follow_rules)

    def test_members_keep_what_was_chosen(self):
        consumers = self.env.ref(CONSUMER)
        for active in (True, False):
            old = self.user(f"old {active}", "base.group_user", CONSUMER)
            old.write({"webhook_follow_rules": False, "active": active})
            old.group_ids |= self.env.ref("base.group_partner_manager")
            consumers.user_ids |= self.user(f"new {active}", "base.group_user")
            self.assertFalse(old.webhook_follow_rules)

    def test_the_form_of_a_new_user_shows_it(self):
        with Form(self.env["res.users"], "base.view_users_form") as form:
            form.name = form.login = "formed"
            form.group_ids.add(self.env.ref(CONSUMER))
            self.assertTrue(form.webhook_follow_rules)
        self.assertTrue(form.record.webhook_follow_rules)

    def test_users_cannot_lift_it(self):
        with self.assertRaises(AccessError):
            self.phone.with_user(self.phone).webhook_follow_rules = False

    def test_odoos_own_api_shows_no_events(self):
        self.new("Ada")
        self.env.cr.flush()
        for model_name in ("update.webhook", "webhook.delivery"):
            with self.subTest(model=model_name):
                self.phone.group_ids |= self.env.ref("auto_webhook_odoo.group_webhook_manager")
                self.assertFalse(self.env[model_name].with_user(self.phone).search([]))
        with self.assertRaises(AccessError):
            self.events().with_user(self.phone).read(["payload"])

    def test_one_who_confirms_is_told_of_everything_and_may_confirm_it(self):
        self.phone.group_ids |= self.env.ref(RECEIVER)
        hidden = self.new("Hidden", city="Rome")
        page = self.pull(user=self.phone, include_processed=False)
        told = {e["record_id"]: (e["event"], e["payload"]) for e in page["events"]}
        self.assertEqual(told[hidden.id], ("unlink", GONE))
        (event_id,) = [e["id"] for e in page["events"] if e["record_id"] == hidden.id]
        self.assertEqual(self.confirm([event_id], user=self.phone), (1, []))
        self.assertEqual(self.told(), [])

    def test_no_figures_for_those_who_only_read(self):
        with self.assertRaises(AccessError):
            self.env["update.webhook"].with_user(self.phone)._stats(7)
        self.phone.group_ids |= self.env.ref(RECEIVER)
        tally = self.env.registry["webhook.tally"]
        with self.enter_registry_test_mode(), patch.object(tally, "_merge"):
            self.assertEqual(self.env["update.webhook"].with_user(self.phone)._stats(7)["days"], 7)

    def test_nothing_is_pushed_for_a_user_who_follows_rules(self):
        self.phone.group_ids |= self.env.ref(RECEIVER)
        values = {"name": "Endpoint", "url": "https://example.com/api/v1/webhooks/receive"}
        endpoint = self.env["webhook.subscriber"].create({**values, "receiver_user_id": False})
        with self.assertRaises(ValidationError):
            endpoint.receiver_user_id = self.phone
        self.phone.webhook_follow_rules = False
        endpoint.receiver_user_id = self.phone
        with self.assertRaises(ValidationError):
            self.phone.webhook_follow_rules = True


@tagged("post_install", "-at_install")
class TestRecordRulesOverHttp(FeedHttpCase):
    def test_a_page_of_the_route(self):
        self.add_user("phone", f"base.group_user,{CONSUMER}", webhook_follow_rules=True)
        partner = self.env["res.partner"].create({"name": "Ünï"})
        _status, page = self.call("pull?models=res.partner&limit=1000", key="phone")
        (event,) = [event for event in page["events"] if event["record_id"] == partner.id]
        self.assertEqual(event["payload"]["name"], "Ünï")
        self.assertRefused(self.call("stats", key="phone"), 403, "forbidden")
