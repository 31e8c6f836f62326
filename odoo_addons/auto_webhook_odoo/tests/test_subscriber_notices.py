from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import html2plaintext

from ..delivery import sender
from .delivery_case import AWAY, DeliveryCase


@tagged("post_install", "-at_install")
class TestSubscriberNotices(DeliveryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscribers = cls.env["webhook.subscriber"]
        cls.manager = cls.webhook_user("manager", tz="Asia/Tokyo", lang="en_US")

    def setUp(self):
        super().setUp()
        #: ids of contacts whose events are refused
        self.refused = set()

    def failing(self, *answers, hours=2, partners=3, **values):
        """Return a sink that fails, and its subscriber, which has been failing for some hours."""
        sink, subscriber = self.sink(*(answers or [503] * 20), **values)
        self.partners(partners)
        self.deliver()
        subscriber.failing_since = fields.Datetime.now() - timedelta(hours=hours)
        self.subscribers._update_notices()
        return sink, subscriber

    def dying(self, answer=400, number=1, **values):
        """Return a sink that refuses some events, and its subscriber, after they were given up."""
        sink, subscriber = self.sink(judge=self.judge(answer), max_attempts=1, **values)
        self.die(number)
        return sink, subscriber

    def judge(self, answer):
        def judge(events):
            return answer if any(event["record_id"] in self.refused for event in events) else 200

        return judge

    def die(self, number=1):
        """Have deliveries given up. Others get through in between and prove that these are bad."""
        for begun in range(0, max(number, 1), 3):
            self.refused.update(self.partners(min(3, number - begun)).ids)
            self.partners(1)
        self.deliver()
        self.subscribers._update_notices()

    def more(self, number):
        """Have more deliveries wait."""
        self.partners(number)
        self.deliver()
        self.subscribers._update_notices()

    def notices(self, subscriber, user=None):
        """Return the open activities of a user (of the manager without one) about an endpoint."""
        domain = [("res_model", "=", subscriber._name), ("res_id", "=", subscriber.id)]
        owner = [("user_id", "=", (user or self.manager).id)]
        return self.env["mail.activity"].search(domain + owner)

    def text(self, subscriber, user=None):
        return html2plaintext(self.notices(subscriber, user).note)

    def dead(self, subscriber):
        domain = [("subscriber_id", "=", subscriber.id), ("state", "=", "dead")]
        return self.env["webhook.delivery"].search(domain, order="id")

    def test_managers_are_told_after_an_hour(self):
        _sink, subscriber = self.failing(hours=0.9)
        self.assertFalse(self.notices(subscriber))
        subscriber.failing_since -= timedelta(minutes=10)
        self.subscribers._update_notices()
        self.assertEqual(self.notices(subscriber).summary, "Webhook endpoint failing: Sink")
        text = self.text(subscriber)
        self.assertIn("3 deliveries wait.", text)
        self.assertIn("HTTP 503", text)
        self.assertNotIn(" dead, ", text)
        self.assertIn(
            f"/odoo/webhook-subscribers/{subscriber.id}/webhook-endpoint-deliveries",
            self.notices(subscriber).note,
        )

    def test_each_manager_gets_one(self):
        _sink, subscriber = self.failing()
        self.die()  # nothing dies, but time passes
        group = self.env.ref("auto_webhook_odoo.group_webhook_manager")
        managers = group.all_user_ids.filtered("active")
        self.assertIn(self.env.ref("base.user_admin"), managers)
        self.assertEqual(sorted(subscriber.activity_ids.user_id.ids), sorted(managers.ids))
        self.assertEqual(len(subscriber.activity_ids), len(managers))

    def test_times_are_those_of_the_reader(self):
        abroad = self.webhook_user("manager", "abroad")
        abroad.tz = False
        _sink, subscriber = self.sink(*[503] * 5)
        self.partners(1)
        self.deliver()
        subscriber.failing_since = "2026-01-31 20:00:00"
        self.subscribers._update_notices()
        self.assertIn("02/01/2026 05:00:00 AM (Asia/Tokyo)", self.text(subscriber))
        self.assertIn("01/31/2026 08:00:00 PM (UTC)", self.text(subscriber, abroad))
        self.assertIn("1 delivery waits.", self.text(subscriber))

    def test_without_waiting_deliveries_nobody_is_told(self):
        _sink, subscriber = self.sink(503)
        self.partners(1)
        self.deliver()
        self.env["webhook.delivery"].search([]).action_cancel()
        subscriber.failing_since = fields.Datetime.now() - timedelta(hours=2)
        self.subscribers._update_notices()
        self.assertFalse(subscriber.activity_ids)

    def test_a_notice_disappears_when_the_endpoint_accepts_again(self):
        _sink, subscriber = self.failing(AWAY)
        self.make_due()
        self.deliver()
        self.subscribers._update_notices()
        self.assertFalse(subscriber.activity_ids)
        self.assertFalse(self.subscribers._noticeable())

    def test_the_next_outage_is_news(self):
        _sink, subscriber = self.failing()
        self.notices(subscriber).action_done()
        self.subscribers._update_notices()
        self.assertFalse(self.notices(subscriber))
        subscriber.failing_since += timedelta(minutes=30)
        self.subscribers._update_notices()
        self.assertTrue(self.notices(subscriber))

    def test_managers_are_told_of_deliveries_that_are_given_up(self):
        _sink, subscriber = self.dying((400, {}, b"no such product"))
        self.assertEqual(self.notices(subscriber).summary, "Webhook deliveries given up: Sink")
        text = self.text(subscriber)
        self.assertIn("1 delivery is dead, given up at ", text)
        self.assertIn("HTTP 400", text)
        self.assertNotIn("wait", text)
        self.die(2)
        self.assertEqual(len(self.notices(subscriber)), 1)
        self.assertIn("3 deliveries are dead, the first given up at ", self.text(subscriber))

    def test_dead_ones_that_a_manager_has_seen_are_not_told_again(self):
        colleague = self.webhook_user("manager", "colleague")
        _sink, subscriber = self.dying(number=2)
        self.notices(subscriber).action_done()
        self.subscribers._update_notices()
        self.assertFalse(self.notices(subscriber))
        self.assertTrue(self.notices(subscriber, colleague))
        subscriber.activity_ids.unlink()
        self.subscribers._update_notices()
        self.assertFalse(subscriber.activity_ids)
        self.die()
        self.assertIn("1 delivery is dead", self.text(subscriber))
        self.assertIn("1 delivery is dead", self.text(subscriber, colleague))

    def test_a_notice_disappears_when_the_dead_ones_were_sent_again(self):
        _sink, subscriber = self.dying(number=2)
        one, other = self.dead(subscriber)
        self.refused.clear()
        one.action_retry()
        self.deliver()
        self.subscribers._update_notices()
        self.assertIn("1 delivery is dead", self.text(subscriber))
        other.action_retry()
        self.deliver()
        self.subscribers._update_notices()
        self.assertFalse(subscriber.activity_ids)
        self.assertFalse(self.subscribers._noticeable())

    def test_a_delivery_that_dies_again_is_news(self):
        _sink, subscriber = self.dying()
        self.notices(subscriber).action_done()
        self.dead(subscriber).action_retry()
        self.die(0)
        self.assertTrue(self.notices(subscriber))

    def test_a_notice_changes_only_with_its_numbers(self):
        _sink, subscriber = self.failing(partners=12)
        activities = type(self.env["mail.activity"])
        self.assertIn("At least 10 deliveries wait.", self.text(subscriber))
        with patch.object(activities, "write", side_effect=AssertionError):
            self.more(3)
        self.more(10)
        self.assertIn("At least 20 deliveries wait.", self.text(subscriber))

    def test_administrators_are_told_once_of_a_disabled_endpoint(self):
        admin = self.env.ref("base.user_admin")
        _sink, subscriber = self.failing(disable_after=48, hours=3)
        subscriber.failing_since = fields.Datetime.now() - timedelta(hours=49)
        self.subscribers._update_notices()
        self.make_due()
        self.deliver()
        self.assertEqual(subscriber.state, "disabled")
        for _call in range(2):
            self.subscribers._update_notices()
            self.assertEqual(
                self.notices(subscriber, admin).summary, "Webhook endpoint disabled: Sink"
            )
            self.assertIn("is disabled now", self.text(subscriber))
        subscriber.action_enable()
        self.subscribers._update_notices()
        self.assertFalse(subscriber.activity_ids)

    def test_an_archived_endpoint_is_no_trouble(self):
        _sink, subscriber = self.dying()
        subscriber.active = False
        self.subscribers._update_notices()
        self.assertFalse(self.notices(subscriber))
        self.assertFalse(self.subscribers._noticeable())

    def test_an_activity_that_fails_hides_no_other_endpoint(self):
        unlucky = self.dying()[1]
        other = self.sink(judge=self.judge(400), max_attempts=1)[1]
        self.env["mail.activity"].search([]).unlink()
        self.env["webhook.delivery"].search([]).unlink()
        unlucky.told_death = other.told_death = False
        schedule = type(self.subscribers).activity_schedule

        def fail(subscriber, *args, **kwargs):
            activities = schedule(subscriber, *args, **kwargs)
            if subscriber == unlucky:
                raise ValueError("an addon of somebody else")
            return activities

        self.refused.update(self.partners(1).ids)
        self.partners(1)
        self.deliver()
        with (
            patch.object(type(self.subscribers), "activity_schedule", fail),
            self.assertLogs(self.subscribers._update_notices.__module__, "ERROR"),
        ):
            self.subscribers._update_notices()
        self.assertFalse(unlucky.activity_ids)
        self.assertTrue(self.notices(other))
        self.subscribers._update_notices()
        self.assertTrue(self.notices(unlucky))

    def test_the_answer_of_an_endpoint_is_no_html(self):
        _sink, subscriber = self.dying((400, {}, b"<a href='https://example.com'>click</a>"))
        self.assertNotIn("example.com'>", self.notices(subscriber).note)

    def test_the_cron_looks_after_the_notices(self):
        _sink, subscriber = self.failing()
        subscriber.activity_ids.unlink()
        subscriber.told_outage = False
        with (
            patch.object(sender, "wake"),
            patch.object(sender, "take_turn", return_value=False),
            self.enter_registry_test_mode(),
            self.registry.cursor() as cr,
        ):
            self.env(cr=cr)["webhook.delivery"]._cron_deliver()
        self.env.invalidate_all()
        self.assertTrue(self.notices(subscriber))

    def test_it_costs_one_query_when_all_is_well(self):
        for _number in range(3):
            self.sink()
        self.partners(2)
        self.deliver()
        self.env.flush_all()
        with self.assertQueryCount(1):
            self.subscribers._update_notices()
