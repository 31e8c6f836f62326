from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestSecurity(WebhookCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscriber = cls.env["webhook.subscriber"].create(
            {"name": "Sink", "url": "https://example.com/hook"}
        )

    def test_changes_of_any_user_are_recorded(self):
        clerk = new_test_user(
            self.env, "clerk", groups="base.group_user,base.group_partner_manager"
        )
        partner = self.env["res.partner"].with_user(clerk).create({"name": "Ada"})
        self.assertEqual(self.events(partner).event, "create")

    def test_users_see_neither_events_nor_settings(self):
        clerk = new_test_user(self.env, "clerk", groups="base.group_user")
        for model in (
            *("update.webhook", "webhook.config", "webhook.subscriber", "webhook.delivery"),
            *("webhook.feed.position", "webhook.feed.pending", "webhook.feed.lock"),
        ):
            with self.subTest(model=model), self.assertRaises(AccessError):
                self.env[model].with_user(clerk).search([])

    def test_only_system_administrators_read_secrets(self):
        manager = new_test_user(
            self.env, "manager", groups="auto_webhook_odoo.group_webhook_manager"
        )
        subscriber = self.subscriber.with_user(manager)
        self.assertEqual(subscriber.name, "Sink")
        for field in ("signing_secret", "auth_token"):
            with self.subTest(field=field), self.assertRaises(AccessError):
                subscriber.read([field])

    def test_only_system_administrators_decide_what_leaves_the_database(self):
        manager = new_test_user(
            self.env, "manager", groups="auto_webhook_odoo.group_webhook_manager"
        )
        for record, values in (
            (self.subscriber, {"url": "https://example.org"}),
            (self.config, {"priority": "low"}),
        ):
            with self.subTest(model=record._name), self.assertRaises(AccessError):
                record.with_user(manager).write(values)

    def test_managers_change_no_event_but_offer_it_again(self):
        manager = new_test_user(
            self.env, "manager", groups="auto_webhook_odoo.group_webhook_manager"
        )
        event = self.events(self.env["res.partner"].create({"name": "Ada"}))
        event.write({"failed_at": "2026-01-31", "failure": "no handler"})
        with self.assertRaises(AccessError):
            event.with_user(manager).write({"payload": "{}"})
        event.with_user(manager).action_offer_again()
        self.assertFalse(event.failed_at)

    def test_secrets_do_not_follow_a_copy(self):
        copy = self.subscriber.copy()
        self.assertTrue(copy.signing_secret)
        self.assertNotEqual(copy.signing_secret, self.subscriber.signing_secret)

    def test_consumers_cannot_change_events(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        for group in ("consumer", "receiver"):
            user = new_test_user(self.env, group, groups=f"auto_webhook_odoo.group_webhook_{group}")
            with self.subTest(group=group), self.assertRaises(AccessError):
                event.with_user(user).write({"is_processed": True})
            with self.subTest(group=group), self.assertRaises(AccessError):
                event.with_user(user).action_offer_again()
