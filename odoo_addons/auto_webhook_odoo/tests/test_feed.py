from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from .common import FeedCase


@tagged("post_install", "-at_install")
class TestFeed(FeedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.consumer = cls.webhook_user("consumer")
        cls.receiver = cls.webhook_user("receiver")
        cls.env["update.webhook"].search([]).unlink()

    def pull(self, *arguments, user=None, **filters):
        return super().pull(*arguments, user=user or self.consumer, **filters)

    def test_pages_follow_the_cursor_to_the_end(self):
        self.record("A", "B", "C")
        first = self.pull(limit=2)
        self.assertEqual((self.names(first), first["has_more"]), (["A", "B"], True))
        second = self.pull(first["last_id"], limit=2)
        self.assertEqual((self.names(second), second["has_more"]), (["C"], False))
        third = self.pull(second["last_id"])
        self.assertEqual((third["events"], third["last_id"]), ([], second["last_id"]))
        self.record("D")
        self.assertEqual(self.names(self.pull(third["last_id"])), ["D"])

    def test_an_event_that_gets_its_position_late_is_not_skipped(self):
        """The event of a transaction that commits late has a smaller id than those before it."""
        self.record("A", "B")
        late = self.events()[0]
        pending = self.env["webhook.feed.pending"].browse(late.id)
        pending.unlink()  # as if its transaction were still open
        first = self.pull()
        self.assertEqual(self.names(first), ["B"])
        self.env.cr.execute("INSERT INTO webhook_feed_pending (id) VALUES (%s)", [late.id])
        self.assertEqual(self.names(self.pull(first["last_id"])), ["A"])

    def test_filters_hold_for_has_more_too(self):
        self.record("A", "B")
        self.configure("res.partner.category", priority="low")
        self.env["res.partner.category"].create({"name": "VIP"})
        page = self.pull(limit=1, models=["res.partner.category"])
        self.assertEqual((self.names(page), page["has_more"]), (["VIP"], False))
        self.assertEqual(self.names(self.pull(priority=["low"])), ["VIP"])
        self.assertEqual(self.names(self.pull(events=["unlink"])), [])

    def test_only_unconfirmed_events_on_request(self):
        self.record("A", "B", "C")
        first, second, _third = self.events()
        self.confirm([first.id], {second.id: "no handler"}, user=self.receiver)
        self.env.invalidate_all()
        self.assertEqual(self.names(self.pull()), ["A", "B", "C"])
        self.assertEqual(self.names(self.pull(include_processed=False)), ["C"])
        second.action_offer_again()
        self.assertEqual(self.names(self.pull(include_processed=False)), ["B", "C"])

    def test_confirming_is_idempotent_and_names_unknown_ids(self):
        self.record("A")
        event = self.events()
        for _time in range(2):
            self.assertEqual(
                self.confirm([event.id, 2**31 - 1]),
                (1, [2**31 - 1]),
            )
        self.assertTrue(event.is_processed)

    def test_a_failure_after_the_confirmation_changes_nothing(self):
        self.record("A")
        event = self.events()
        self.confirm([event.id])
        self.confirm(failed={event.id: "too late"})
        self.assertTrue(event.is_processed)
        self.assertFalse(event.failure)

    def test_events_of_other_companies_are_neither_seen_nor_confirmed(self):
        company = self.env["res.company"].create({"name": "Other"})
        self.env.cr.flush()
        self.env["update.webhook"].search([]).unlink()
        self.next_transaction()
        self.env["res.partner"].create({"name": "Theirs", "company_id": company.id})
        self.env["res.partner"].create({"name": "Everybody's", "company_id": False})
        self.assertEqual(self.names(self.pull()), ["Everybody's"])
        theirs = self.events().filtered("company_id")
        self.assertEqual(self.confirm([theirs.id], user=self.consumer), (0, [theirs.id]))
        self.assertFalse(theirs.is_processed)

    def test_wrong_arguments_are_refused(self):
        """An empty page would send the caller past the events that it wants."""
        for wrong in ({"limit": 0}, {"limit": 2**63}, {"limit": "5"}, {"priority": "high"}):
            with self.subTest(wrong=wrong), self.assertRaises(ValidationError):
                self.pull(**wrong)

    def test_users_without_the_group_read_nothing(self):
        self.record("A")
        user = new_test_user(self.env, "clerk", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.pull(user=user)
