from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL

from .common import FeedCase


@tagged("post_install", "-at_install")
class TestFeedAccess(FeedCase):
    """A consumer's user may be restricted to some models."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.configure("res.partner.category")
        cls.consumer = cls.webhook_user("receiver", "consumer")
        cls.env.cr.flush()
        cls.env["update.webhook"].search([]).unlink()
        cls.env["res.partner"].create({"name": "Ada"})
        cls.env["res.partner.category"].create({"name": "VIP"})
        cls.env.cr.flush()

    def allow(self, *models):
        ids = [self.env["ir.model"]._get_id(model) for model in models]
        self.consumer.write({"webhook_scope": "some", "webhook_model_ids": [Command.set(ids)]})

    def pulled(self, **filters):
        """Return the models of the events that the consumer pulls."""
        page = self.pull(user=self.consumer, **filters)
        return [event["model"] for event in page["events"]]

    def found(self):
        return self.env["update.webhook"].with_user(self.consumer).search([]).mapped("model")

    def test_all_models_by_default(self):
        both = ["res.partner", "res.partner.category"]
        self.assertEqual(self.pulled(), both)
        self.assertCountEqual(self.found(), both)

    def test_only_allowed_models_over_the_feed_and_in_odoo(self):
        self.found()  # fills the cache of the rules
        self.allow("res.partner.category")
        self.assertEqual(self.pulled(), ["res.partner.category"])
        self.assertEqual(self.found(), ["res.partner.category"])
        self.assertEqual(self.pulled(models=["res.partner.category"]), ["res.partner.category"])

    def test_a_restriction_does_not_end_with_its_last_model(self):
        self.allow("res.partner")
        self.consumer.webhook_model_ids = False
        self.assertEqual((self.pulled(), self.found()), ([], []))

    def test_asking_for_another_model_is_refused(self):
        self.allow("res.partner")
        for models in (["res.partner.category"], ["no.such.model", "res.partner.category"]):
            with self.subTest(models=models), self.assertRaises(AccessError):
                self.pulled(models=models)

    def test_models_that_do_not_exist_are_ignored_and_named(self):
        wanted = ["no.such.model", "res.partner", "mail.channel", "no.such.model"]
        for scope in ("all", "some"):
            with self.subTest(scope=scope):
                self.allow("res.partner")
                self.consumer.webhook_scope = scope
                page = self.pull(user=self.consumer, models=wanted)
                self.assertEqual(page["count"], 1)
                self.assertEqual(page["unknown_models"], ["no.such.model", "mail.channel"])
        page = self.pull(user=self.consumer, models=["res.partner"])
        self.assertNotIn("unknown_models", page)
        expired = self.pull(2**53 - 1, user=self.consumer, models=wanted)
        self.assertTrue(expired["cursor_expired"])
        self.assertEqual(expired["unknown_models"], ["no.such.model", "mail.channel"])

    def test_nothing_but_models_that_do_not_exist_is_refused(self):
        for scope in ("all", "some"):
            with self.subTest(scope=scope), self.assertRaises(ValidationError):
                self.consumer.webhook_scope = scope
                self.pulled(models=["no.such.model", "mail.channel"])

    def test_a_model_that_exists_no_more_is_known_while_there_are_events(self):
        self.pulled()  # gives the events their positions
        for table in ("update_webhook", "webhook_tally"):
            gone = "UPDATE %s SET model = 'x_gone' WHERE model = 'res.partner.category'"
            self.env.cr.execute(SQL(gone, SQL.identifier(table)))
        self.env.invalidate_all()
        page = self.pull(user=self.consumer, models=["x_gone", "no.such.model"])
        self.assertEqual([event["model"] for event in page["events"]], ["x_gone"])
        self.assertEqual(page["unknown_models"], ["no.such.model"])
        self.allow("res.partner")
        with self.assertRaises(AccessError):
            self.pulled(models=["x_gone", "res.partner"])

    def test_a_list_of_many_unknown_models_takes_one_query(self):
        def count(number):
            before = self.env.cr.sql_log_count
            self.pull(models=["res.partner", *(f"no.such.model{n}" for n in range(number))])
            return self.env.cr.sql_log_count - before

        count(1)
        self.assertEqual(count(1), count(1000))

    def test_other_events_cannot_be_confirmed(self):
        self.allow("res.partner")
        tag = self.env["update.webhook"].search([("model", "=", "res.partner.category")])
        self.assertEqual(self.confirm([tag.id], user=self.consumer), (0, [tag.id]))
        self.assertFalse(tag.is_processed)

    def test_positions_say_nothing_of_events_that_are_hidden(self):
        """A user who may read a row sees the names in its many2one fields."""
        self.allow("res.partner.category")
        self.pulled()
        with self.assertRaises(AccessError):
            self.env["webhook.feed.position"].with_user(self.consumer).search_read([], ["event_id"])
        seen = self.env["update.webhook"].with_user(self.consumer).search([])
        self.assertGreater(seen.seq, 0)

    def test_a_restricted_user_cannot_lift_the_restriction(self):
        self.allow("res.partner")
        with self.assertRaises(AccessError):
            self.consumer.with_user(self.consumer).webhook_scope = "all"
