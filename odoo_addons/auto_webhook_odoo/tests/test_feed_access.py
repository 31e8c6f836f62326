from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestFeedAccess(WebhookCase):
    """A consumer's user may be restricted to some models."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.configure("res.partner.category")
        cls.consumer = new_test_user(
            cls.env, "consumer", groups="auto_webhook_odoo.group_webhook_receiver"
        )
        cls.env.cr.flush()
        cls.env["update.webhook"].search([]).unlink()
        cls.env["res.partner"].create({"name": "Ada"})
        cls.env["res.partner.category"].create({"name": "VIP"})
        cls.env.cr.flush()

    def allow(self, *models):
        ids = [self.env["ir.model"]._get_id(model) for model in models]
        self.consumer.write({"webhook_scope": "some", "webhook_model_ids": [Command.set(ids)]})

    def pull(self, **filters):
        with self.enter_registry_test_mode():
            page = self.env["update.webhook"].with_user(self.consumer).pull_events(**filters)
        return [event["model"] for event in page["events"]]

    def found(self):
        return self.env["update.webhook"].with_user(self.consumer).search([]).mapped("model")

    def test_all_models_by_default(self):
        both = ["res.partner", "res.partner.category"]
        self.assertEqual(self.pull(), both)
        self.assertCountEqual(self.found(), both)

    def test_only_those_that_are_allowed_over_the_feed_and_in_odoo(self):
        self.found()  # fills the cache of the rules
        self.allow("res.partner.category")
        self.assertEqual(self.pull(), ["res.partner.category"])
        self.assertEqual(self.found(), ["res.partner.category"])
        self.assertEqual(self.pull(models=["res.partner.category"]), ["res.partner.category"])

    def test_a_restriction_does_not_end_with_its_last_model(self):
        self.allow("res.partner")
        self.consumer.webhook_model_ids = False
        self.assertEqual((self.pull(), self.found()), ([], []))

    def test_asking_for_another_is_refused(self):
        self.allow("res.partner")
        for model in ("res.partner.category", "no.such.model"):
            with self.subTest(model=model), self.assertRaises(AccessError):
                self.pull(models=[model])

    def test_a_model_that_does_not_exist(self):
        with self.assertRaises(ValidationError):
            self.pull(models=["no.such.model"])

    def test_other_events_cannot_be_confirmed(self):
        self.allow("res.partner")
        tag = self.env["update.webhook"].search([("model", "=", "res.partner.category")])
        confirm = self.env["update.webhook"].with_user(self.consumer)._mark_processed
        self.assertEqual(confirm([tag.id], {}), (0, [tag.id]))
        self.assertFalse(tag.is_processed)

    def test_positions_say_nothing_of_events_that_are_hidden(self):
        """A many2one shows its name to whoever may read the row that it stands in."""
        self.allow("res.partner.category")
        self.pull()
        with self.assertRaises(AccessError):
            self.env["webhook.feed.position"].with_user(self.consumer).search_read([], ["event_id"])
        seen = self.env["update.webhook"].with_user(self.consumer).search([])
        self.assertGreater(seen.seq, 0)

    def test_who_is_restricted_cannot_change_that(self):
        self.allow("res.partner")
        with self.assertRaises(AccessError):
            self.consumer.with_user(self.consumer).webhook_scope = "all"
