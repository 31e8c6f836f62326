import json

from odoo import Command
from odoo.tests import tagged

from ..wire.event import EventName
from .company_case import CompanyCase
from .delivery_case import DeliveryCase

GONE = {"_metadata": {"gone": True}}


@tagged("post_install", "-at_install")
class TestRecordsThatLeave(CompanyCase):
    """A record whose company changes is gone for those who do not see it any more."""

    def assertGone(self, event):  # as in unittest
        self.assertEqual((event["event"], event["payload"]), ("unlink", GONE))
        for name in ("changed_fields", "old_values", "user_id", "user_name", "company_id"):
            self.assertIsNone(event[name], name)

    def test_it_is_gone_for_the_old_company_and_comes_to_the_new_one(self):
        partner = self.moved(self.a, self.b, name="Grace")
        self.assertEqual([e["event"] for e in self.told(self.of_a, partner)], ["create", "unlink"])
        self.assertGone(self.last(self.of_a, partner))
        (event,) = self.told(self.of_b, partner)
        self.assertEqual((event["event"], event["payload"]["name"]), ("write", "Grace"))
        self.assertEqual(event["changed_fields"], ["company_id", "complete_name", "name"])
        self.assertEqual(event["company_id"], self.b.id)

    def test_old_values_do_not_cross_companies(self):
        partner = self.moved(self.a, self.b, name="Grace")
        for user in (self.of_b, self.of_both):
            self.assertIsNone(self.last(user, partner)["old_values"])
        partner.write({"name": "Edith"})
        self.assertEqual(self.last(self.of_b, partner)["old_values"]["name"], "Grace")

    def test_who_sees_both_companies_gets_an_ordinary_event(self):
        partner = self.moved(self.a, self.b)
        event = self.last(self.of_both, partner)
        self.assertEqual((event["event"], event["payload"]["name"]), ("write", "Ada"))

    def test_later_events_do_not_reach_the_old_company(self):
        partner = self.moved(self.a, self.b)
        partner.name = "Grace"
        self.next_transaction()
        partner.unlink()
        self.assertEqual(len(self.told(self.of_a, partner)), 2)
        self.assertEqual(len(self.told(self.of_b, partner)), 3)

    def test_what_everybody_saw_is_gone_for_all_others(self):
        partner = self.moved(None, self.b)
        self.assertGone(self.last(self.of_a, partner))
        self.assertEqual(self.last(self.of_b, partner)["event"], "write")
        self.assertIn("company_id", self.last(self.of_b, partner)["old_values"])

    def test_what_everybody_may_see_now_is_gone_for_nobody(self):
        partner = self.moved(self.a, None, name="Grace")
        for user in (self.of_a, self.of_b):
            event = self.last(user, partner)
            self.assertEqual((event["event"], event["old_values"]), ("write", None))

    def test_a_record_that_comes_back_is_there_again(self):
        partner = self.moved(self.a, self.b)
        partner.company_id = self.a
        self.assertEqual(self.last(self.of_a, partner)["payload"]["name"], "Ada")
        self.assertGone(self.last(self.of_b, partner))

    def test_a_move_that_is_taken_back_is_no_event(self):
        partner = self.partner(self.a)
        partner.company_id = self.b
        self.env.flush_all()
        partner.company_id = self.a
        self.assertEqual(len(self.told(self.of_a, partner)), 1)
        self.assertEqual(self.told(self.of_b, partner), [])

    def test_a_record_that_moves_and_is_deleted_is_deleted_for_the_old_company_only(self):
        partner = self.partner(self.a)
        partner.company_id = self.b
        partner.unlink()
        self.assertEqual([e["event"] for e in self.told(self.of_a, partner)], ["create", "unlink"])
        self.assertEqual(self.last(self.of_a, partner)["payload"]["name"], "Ada")
        self.assertEqual(self.told(self.of_b, partner), [])

    def test_a_move_counts_whatever_triggers_are_configured(self):
        field = self.env["ir.model.fields"]._get("res.partner", "email")
        self.config.write(
            {"trigger_field_ids": [Command.set(field.ids)],
             "payload_field_ids": [Command.set(field.ids)]}
        )  # fmt: skip
        partner = self.partner(self.a)
        partner.name = "Grace"
        self.next_transaction()
        self.assertEqual(len(self.told(self.of_a, partner)), 1)
        partner.company_id = self.b
        self.assertGone(self.last(self.of_a, partner))
        event = self.last(self.of_b, partner)
        self.assertEqual(event["payload"], {"email": None})
        self.assertEqual(event["changed_fields"], ["company_id"])

    def test_readers_filter_by_what_they_are_told(self):
        partner = self.moved(self.a, self.b)
        self.assertEqual(len(self.told(self.of_a, partner, events=["unlink"])), 1)
        self.assertEqual(self.told(self.of_a, partner, events=["write"]), [])
        self.assertEqual(len(self.told(self.of_b, partner, events=["write"])), 1)
        self.assertEqual(self.told(self.of_b, partner, events=["unlink"]), [])

    def test_the_old_company_confirms_that_it_is_gone(self):
        partner = self.moved(self.a, self.b)
        self.confirm(user=self.of_a)
        known = {user: self.last(user, partner)["id"] for user in (self.of_a, self.of_b)}
        (event_id,) = set(known.values())
        event = self.env["update.webhook"].browse(event_id)
        readers = self.of_a + self.of_b + self.of_both
        for user in readers:
            self.assertIn(
                event_id, [e["id"] for e in self.told(user, partner, include_processed=False)]
            )
            self.assertFalse(event.is_processed)
            self.assertEqual(self.confirm([EventName(event_id)], user=user), (1, []))
        self.confirm([EventName(event_id)], user=self.reader("late", self.branch))
        self.assertEqual(self.confirm([EventName(event_id)], user=self.of_branch), (1, []))
        self.assertTrue(event.is_processed)

    def test_odoo_shows_the_event_to_the_new_company_only(self):
        partner = self.moved(self.a, self.b)
        delivery = self.env["webhook.delivery"].create(
            {
                "event_id": self.events(partner)[-1].id,
                "subscriber_id": self.env["webhook.subscriber"]
                .create({"name": "Sink", "url": "https://example.com"})
                .id,
                "model": partner._name,
                "record_id": partner.id,
                "next_attempt_at": "2026-01-31",
            }
        )
        event = delivery.event_id
        attempt = self.env["webhook.attempt"].create(
            {"delivery_id": delivery.id, "attempted_at": "2026-01-31"}
        )
        self.confirm(failed={event.id: "no handler"}, user=self.of_both)
        confirmation = self.env["webhook.confirmation"].search([("event_id", "=", event.id)])
        manager = self.webhook_user("manager", company_id=self.a.id, company_ids=self.a.ids)
        for company, is_shown in ((self.a, False), (self.b, True), (self.branch, True)):
            manager.write({"company_ids": company.ids, "company_id": company.id})
            for record in (event, delivery, attempt, confirmation):
                with self.subTest(company=company.name, model=record._name):
                    theirs = record.with_user(manager)
                    self.assertEqual(theirs.search_count([("id", "=", record.id)]), int(is_shown))
                    self.assertEqual(theirs.has_access("read"), is_shown)

    def test_figures_count_what_a_reader_sees(self):
        self.moved(self.a, self.b)
        for anew in (False, True):
            for user, number in ((self.of_a, 2), (self.of_b, 1), (self.of_both, 2)):
                with self.subTest(user=user.login, anew=anew):
                    self.assertEqual(self.total(user), number)
            self.env["webhook.tally"]._count_anew()
        self.env["update.webhook"].search([]).unlink()
        self.assertEqual(self.total(self.of_both), 0)

    def total(self, user):
        self.env.cr.flush()
        with self.enter_registry_test_mode():
            return (
                self.env["update.webhook"]
                .with_user(user)
                ._stats(7)["by_model"]
                .get("res.partner", 0)
            )

    def test_an_erasure_reaches_all_who_have_seen_the_record(self):
        partner = self.moved(self.a, self.b)
        theirs = self.partner(self.b)
        wizard = self.env["webhook.erasure"]
        for record in (partner, theirs):
            model = self.env["ir.model"]._get_id(record._name)
            wizard.create({"model_id": model, "record_id": record.id}).action_erase()
        erased = {"_metadata": {"erased": True}}
        for user in (self.of_a, self.of_b, self.of_both):
            self.assertEqual(self.last(user, partner)["payload"], erased)
            self.assertIsNone(self.last(user, partner)["company_id"])
        self.assertEqual(self.last(self.of_b, theirs)["company_id"], self.b.id)
        self.assertEqual(self.told(self.of_a, theirs), [])
        for event in self.told(self.of_a, partner):
            self.assertIn(event["payload"], (erased, GONE))


@tagged("post_install", "-at_install")
class TestWhoSeesARecord(CompanyCase):
    """A company sees the events of the records that Odoo lets it read."""

    def test_branches_see_what_belongs_to_their_company_if_odoo_says_so(self):
        partner = self.partner(self.b)
        (event,) = self.told(self.of_branch, partner)
        self.assertEqual(event["company_id"], self.b.id)
        own = self.partner(self.branch)
        self.assertEqual(len(self.told(self.of_branch, own)), 1)
        self.assertEqual(self.told(self.of_b, own), [])
        partner.company_id = self.branch
        self.assertEqual(self.last(self.of_b, partner)["payload"], GONE)
        self.assertEqual(self.last(self.of_branch, partner)["event"], "write")
        self.assertIn("company_id", self.last(self.of_branch, partner)["old_values"])

    def test_events_of_companies_without_branches_need_no_array(self):
        self.assertFalse(self.events(self.partner(self.a)).company_ids)

    def test_a_company_is_seen_by_its_users(self):
        self.configure("res.company")
        self.a.name = "A and Sons"
        self.assertEqual([e["event"] for e in self.told(self.of_a, self.a)], ["write"])
        self.assertEqual(self.told(self.of_b, self.a), [])
        self.assertEqual(self.last(self.of_a, self.a)["company_id"], self.a.id)

    def test_an_account_is_seen_by_each_of_its_companies(self):
        accounts = self.env["account.account"].with_context(allowed_company_ids=[self.a.id])
        self.configure("account.account")
        values = {"name": "Secret costs", "code": "X1", "account_type": "expense"}
        account = accounts.create({**values, "company_ids": [Command.set(self.a.ids)]})
        self.next_transaction()
        self.assertEqual(self.last(self.of_a, account)["company_id"], self.a.id)
        self.assertEqual(self.told(self.of_b, account), [])
        account = account.with_context(allowed_company_ids=(self.a + self.b).ids)
        account.with_company(self.b).code = "Y1"
        account.company_ids = [Command.link(self.b.id)]
        self.next_transaction()
        for user in (self.of_a, self.of_b, self.of_branch):
            event = self.last(user, account)
            self.assertIsNone(event["company_id"])
            self.assertIsNone(event["old_values"])
        account.company_ids = [Command.unlink(self.a.id)]
        self.assertEqual(self.last(self.of_a, account)["payload"], GONE)
        self.assertEqual(self.last(self.of_b, account)["event"], "write")
        self.assertEqual(self.last(self.of_branch, account)["event"], "write")

    def test_a_variant_leaves_with_its_template(self):
        self.configure("product.product")
        product = self.env["product.product"].create({"name": "Chair", "company_id": self.a.id})
        self.next_transaction()
        product.product_tmpl_id.company_id = self.b
        self.assertEqual(self.last(self.of_a, product)["payload"], GONE)
        event = self.last(self.of_b, product)
        self.assertEqual((event["changed_fields"], event["old_values"]), (["company_id"], None))
        self.assertEqual(event["company_id"], self.b.id)

    def test_a_record_that_a_rule_shows_to_nobody_without_a_company(self):
        rule = self.env["ir.rule"].create(
            {
                "name": "Never to everybody",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": "[('company_id', 'in', company_ids)]",
            }
        )
        nobodys = self.partner()
        theirs = self.partner(self.a)
        for user in (self.of_a, self.of_b):
            self.assertEqual(self.told(user, nobodys), [])
        self.assertEqual(len(self.told(self.of_a, theirs)), 1)
        nobodys.company_id = self.a
        self.assertEqual(self.last(self.of_a, nobodys)["event"], "write")
        self.assertIsNone(self.last(self.of_a, nobodys)["old_values"])
        rule.active = False
        self.assertEqual(len(self.told(self.of_b, self.partner())), 1)


@tagged("post_install", "-at_install")
class TestArrays(CompanyCase):
    def test_domains_find_arrays_that_hold_one_of_the_numbers(self):
        events = self.events(self.partner(), self.partner(), self.partner(), self.partner())
        none, nobody, one, two = self.env["update.webhook"].search([], order="id")
        nobody.company_ids, one.company_ids, two.company_ids = [], [1], [1, 2]
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual((none.company_ids, nobody.company_ids), (False, []))
        for domain, expected in (
            ([("company_ids", "in", [1])], one + two),
            ([("company_ids", "in", [2, 3])], two),
            ([("company_ids", "in", [2, False])], none + two),
            ([("company_ids", "=", False)], none),
            ([("company_ids", "!=", False)], nobody + one + two),
            ([("company_ids", "not in", [1])], none + nobody),
        ):
            with self.subTest(domain=domain):
                found = self.env["update.webhook"].search(domain, order="id")
                self.assertEqual(found, expected)
                self.assertEqual(events.filtered_domain(domain), expected)


@tagged("post_install", "-at_install")
class TestPushOfRecordsThatLeave(DeliveryCase, CompanyCase):
    """A receiver is pushed what its user may see, an endpoint without a user everything."""

    def test_each_endpoint_gets_its_own_view(self):
        sinks = {
            user: self.sink(receiver_user_id=user and user.id)
            for user in (self.of_a, self.of_b, self.of_both, None)
        }
        partner = self.moved(self.a, self.b)
        self.deliver()
        bodies = {user: sink.events for user, (sink, _subscriber) in sinks.items()}
        self.assertEqual(
            {user: [e["event"] for e in events] for user, events in bodies.items()},
            {
                self.of_a: ["create", "unlink"],
                self.of_b: ["write"],
                self.of_both: ["create", "write"],
                None: ["create", "write"],
            },
        )
        self.assertEqual(bodies[self.of_a][-1]["payload"], GONE)
        for user, (_sink, subscriber) in sinks.items():
            delivery = self.delivery_of(partner).filtered(
                lambda delivery, subscriber=subscriber: delivery.subscriber_id == subscriber
            )[-1]
            _subscriber, _message, body = delivery._request()
            shown = json.loads(body)
            self.assertEqual(shown["event"], bodies[user][-1]["event"])
            self.assertEqual(shown["payload"], bodies[user][-1]["payload"])
