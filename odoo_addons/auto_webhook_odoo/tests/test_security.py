from odoo import Command
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
        manager = self.webhook_user("manager")
        subscriber = self.subscriber.with_user(manager)
        self.assertEqual(subscriber.name, "Sink")
        for field in ("signing_secret", "auth_token", "client_certificate", "client_key"):
            with self.subTest(field=field), self.assertRaises(AccessError):
                subscriber.read([field])

    def test_only_system_administrators_decide_what_leaves_the_database(self):
        manager = self.webhook_user("manager")
        for record, values in (
            (self.subscriber, {"url": "https://example.org"}),
            (self.config, {"priority": "low"}),
        ):
            with self.subTest(model=record._name), self.assertRaises(AccessError):
                record.with_user(manager).write(values)

    def test_managers_change_no_event_but_offer_it_again(self):
        manager = self.webhook_user("manager")
        event = self.events(self.env["res.partner"].create({"name": "Ada"}))
        self.confirm(failed={event.id: "no handler"})
        with self.assertRaises(AccessError):
            event.with_user(manager).write({"payload": "{}"})
        event.with_user(manager).action_offer_again()
        self.assertFalse(event.failed_at)

    def test_consumers_cannot_change_events(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        for group in ("consumer", "receiver"):
            user = self.webhook_user(group)
            with self.subTest(group=group), self.assertRaises(AccessError):
                event.with_user(user).write({"is_processed": True})
            with self.subTest(group=group), self.assertRaises(AccessError):
                event.with_user(user).action_offer_again()

    def waiting(self, name):
        """Return an event and its delivery, with an attempt."""
        event = self.events(self.env["res.partner"].create({"name": name}))
        delivery = self.env["webhook.delivery"].create(
            {
                "event_id": event.id,
                "subscriber_id": self.subscriber.id,
                "model": event.model,
                "record_id": event.record_id,
                "next_attempt_at": event.timestamp,
            }
        )
        self.env["webhook.attempt"].create(
            {"delivery_id": delivery.id, "attempted_at": event.timestamp}
        )
        return event, delivery

    def test_managers_redirect_no_delivery(self):
        manager = self.webhook_user("manager")
        _event, delivery = self.waiting("Ada")
        for values in ({"subscriber_id": self.subscriber.id}, {"state": "delivered"}):
            with self.subTest(**values), self.assertRaises(AccessError):
                delivery.with_user(manager).write(values)

    def test_managers_see_deliveries_and_attempts_of_their_companies(self):
        manager = self.webhook_user("manager")
        (ours, here), (theirs, _there), (nobodys, common) = map(self.waiting, "ABC")
        ours.company_id = manager.company_id
        theirs.company_id = self.env["res.company"].create({"name": "Another"})
        nobodys.company_id = False
        self.assertEqual(self.visible(manager), here + common)

    def test_managers_see_deliveries_and_attempts_of_their_models(self):
        manager = self.webhook_user("manager")
        _event, delivery = self.waiting("Ada")
        self.assertEqual(self.visible(manager), delivery)
        partner = self.env["ir.model"]._get_id("res.partner")
        country = self.env["ir.model"]._get_id("res.country")
        manager.write({"webhook_scope": "some", "webhook_model_ids": [Command.set([country])]})
        self.assertFalse(self.visible(manager))
        manager.webhook_model_ids = [Command.set([partner])]
        self.assertEqual(self.visible(manager), delivery)

    def visible(self, user):
        """Return the deliveries that a user sees; the user must see just their attempts."""
        deliveries = self.env["webhook.delivery"].with_user(user).search([], order="id")
        attempts = self.env["webhook.attempt"].with_user(user).search([])
        self.assertEqual(attempts.sudo().delivery_id.sorted("id"), deliveries)
        return deliveries.with_env(self.env)

    def test_managers_retry_and_cancel_but_others_do_not(self):
        manager = self.webhook_user("manager")
        clerk = new_test_user(self.env, "clerk", groups="base.group_user")
        self.config.write({"priority": "high", "instant_send": True})
        self.events(self.env["res.partner"].create({"name": "Ada"}))
        delivery = self.env["webhook.delivery"].search([], limit=1)
        for name, state in (("action_cancel", "cancelled"), ("action_retry", "pending")):
            with self.subTest(action=name):
                with self.assertRaises(AccessError):
                    getattr(delivery.with_user(clerk), name)()
                getattr(delivery.with_user(manager), name)()
                self.assertEqual(delivery.state, state)
        with self.assertRaises(AccessError):
            self.subscriber.with_user(clerk).action_resume()
        self.subscriber.with_user(manager).action_resume()

    def test_only_managers_start_the_crons_of_jobs(self):
        """Odoo lets code trigger a cron whatever the rights of the user are."""
        portal = new_test_user(self.env, "portal-user", groups="base.group_portal")
        triggers = self.env["ir.cron.trigger"]
        before = triggers.search_count([])
        for model in ("webhook.snapshot", "webhook.replay"):
            jobs = self.env[model]
            with self.subTest(model=model):
                with self.assertRaises(AccessError):
                    jobs.with_user(portal).action_resume()
                jobs.with_user(portal).action_cancel()
                jobs.with_user(portal).create([])
                jobs.action_resume()
        self.assertEqual(triggers.search_count([]), before)
