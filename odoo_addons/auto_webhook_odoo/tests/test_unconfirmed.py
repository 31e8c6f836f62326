from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestUnconfirmed(WebhookCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls.webhook_user("manager")
        cls.receiver = cls.webhook_user("receiver")

    def setUp(self):
        super().setUp()
        self.forget()
        self.event = self.events(self.env["res.partner"].create({"name": "Ada"}))

    def told(self):
        self.env["update.webhook"]._cron_warn()
        kind = self.env.ref("auto_webhook_odoo.activity_events_unconfirmed")
        return self.env["mail.activity"].search([("activity_type_id", "=", kind.id)])

    def age(self, hours):
        self.event.timestamp = fields.Datetime.now() - timedelta(hours=hours)
        self.env.flush_all()

    def test_young_events_worry_nobody(self):
        self.age(23)
        self.assertFalse(self.told())

    def test_managers_are_told_once_until_the_events_are_confirmed(self):
        self.age(25)
        told = self.told()
        self.assertIn(self.manager, told.user_id)
        self.assertIn(self.env.ref("base.user_admin"), told.user_id)
        self.assertNotIn(self.receiver, told.user_id)
        self.assertEqual(told[0].summary, "Webhook events not confirmed: 1")
        self.assertEqual(self.told(), told)
        groups = self.env["res.users"].with_user(self.manager)._get_activity_groups()
        self.assertTrue(any(group["total_count"] for group in groups))
        self.confirm([self.event.id])
        self.assertFalse(self.told())

    def test_failed_events_are_no_longer_waited_for(self):
        self.age(25)
        self.confirm(failed={self.event.id: "no handler"})
        self.assertFalse(self.told())

    def test_the_time_can_be_set(self):
        self.age(25)
        for hours, warned in (("26", False), ("1", True), ("0", False)):
            self.env["ir.config_parameter"].set_param("auto_webhook_odoo.warn_hours", hours)
            with self.subTest(hours=hours):
                self.assertEqual(bool(self.told()), warned)
