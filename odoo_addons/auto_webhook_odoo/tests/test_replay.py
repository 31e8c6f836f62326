from datetime import timedelta
from unittest.mock import patch

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import webhook_delivery, webhook_replay
from .delivery_case import DeliveryCase


@tagged("post_install", "-at_install")
class TestReplay(DeliveryCase):
    def dead(self, number):
        """Return a sink, its subscriber, and partners whose deliveries are dead."""
        sink, subscriber = self.sink(max_attempts=1)
        partners, good = self.partners(number), self.partners(1)
        sink.judge = self.refusing(422, partners)
        self.deliver()
        deliveries = self.env["webhook.delivery"].search([("subscriber_id", "=", subscriber.id)])
        (self.delivery_of(good) & deliveries).unlink()  # it only proved that the endpoint works
        dead = deliveries.exists()
        self.assertEqual(dead.mapped("state"), ["dead"] * number)
        sink.requests.clear()
        sink.judge = None
        return sink, subscriber, partners

    def run_to_end(self, replay):
        while replay.state == "running":
            replay._run_batch()

    def test_a_dead_delivery_tells_why(self):
        _sink, _subscriber, partners = self.dead(2)
        delivery = self.delivery_of(partners[0])
        self.assertEqual(delivery.last_status, 422)
        self.assertIn("HTTP 422", delivery.last_error)
        (attempt,) = delivery.attempt_ids
        self.assertEqual(attempt.status, 422)
        self.assertGreaterEqual(attempt.duration, 0)

    def test_a_dead_delivery_that_is_retried_is_marked_as_replayed(self):
        sink, _subscriber, partners = self.dead(1)
        self.delivery_of(partners).action_retry()
        self.deliver()
        self.assertEqual([event["replayed"] for event in sink.events], [True])
        self.assertEqual(self.delivery_of(partners).state, "delivered")

    def test_a_pending_delivery_that_is_retried_is_not_marked(self):
        sink, _subscriber = self.sink(500)
        partner = self.partners(1)
        self.deliver()
        self.delivery_of(partner).action_retry()
        self.deliver()
        self.assertNotIn("replayed", sink.events[1])

    def test_all_deliveries_of_a_subscriber_in_batches(self):
        sink, subscriber, partners = self.dead(4)
        replay = self.env["webhook.replay"].create({"subscriber_id": subscriber.id})
        self.assertEqual(replay.found, 4)
        with patch.object(webhook_replay, "_BATCH", 2):
            self.assertEqual(replay._run_batch(), 2)
            self.run_to_end(replay)
        self.assertEqual((replay.state, replay.done), ("done", 4))
        self.deliver()
        self.assertEqual({event["record_id"] for event in sink.events}, set(partners.ids))

    def test_only_since_and_only_this_subscriber(self):
        other, _other_subscriber = self.sink()
        sink, subscriber, partners = self.dead(2)
        number = len(other.requests)
        deliveries = self.env["webhook.delivery"].search([("subscriber_id", "=", subscriber.id)])
        early = self.delivery_of(partners[0]) & deliveries
        early.event_id.timestamp = fields.Datetime.now() - timedelta(days=2)
        replay = self.env["webhook.replay"].create(
            {"subscriber_id": subscriber.id, "since": fields.Datetime.now() - timedelta(days=1)}
        )
        self.run_to_end(replay)
        self.deliver()
        self.assertEqual([event["record_id"] for event in sink.events], [partners[1].id])
        self.assertEqual(len(other.requests), number)

    def manager(self, login="manager", **values):
        return self.webhook_user("manager", login, **values)

    def replay_of(self, user, subscriber):
        replays = self.env["webhook.replay"].with_user(user)
        return replays.create({"subscriber_id": subscriber.id})

    def pending(self):
        return self.env["webhook.delivery"].search([("state", "=", "pending")])

    def test_a_manager_replays_what_the_manager_may_see(self):
        _sink, subscriber, partners = self.dead(3)
        ours, theirs, other = map(self.delivery_of, partners)
        manager = self.manager()
        ours.event_id.company_id = manager.company_id
        theirs.event_id.company_id = self.env["res.company"].create({"name": "Another"})
        other.write({"model": "res.country"})
        other.event_id.model = "res.country"
        partner = self.env["ir.model"]._get_id("res.partner")
        manager.write({"webhook_scope": "some", "webhook_model_ids": [Command.set([partner])]})
        replay = self.replay_of(manager, subscriber)
        self.assertEqual(replay.found, 1)
        self.run_to_end(replay.with_env(self.env))  # as the cron does
        self.assertEqual(self.pending() & (ours + theirs + other), ours)

    def test_all_companies_of_the_manager_count_whichever_are_shown(self):
        _sink, subscriber, partners = self.dead(1)
        another = self.env["res.company"].create({"name": "Another"})
        self.delivery_of(partners).event_id.company_id = another
        here = self.env.company
        manager = self.manager(company_ids=[Command.set((here + another).ids)])
        replays = self.env["webhook.replay"].with_user(manager)
        replays = replays.with_context(allowed_company_ids=here.ids)
        self.assertEqual(replays.new({"subscriber_id": subscriber.id}).found, 1)

    def test_managers_change_no_replay_of_others(self):
        _sink, subscriber, _partners = self.dead(1)
        manager, administrator = self.manager(), self.env.ref("base.user_admin")
        replay = self.replay_of(administrator, subscriber)
        with self.assertRaises(AccessError):
            replay.with_user(manager).write({"last_id": 0})
        own = self.replay_of(manager, subscriber)
        own.action_cancel()
        own.action_resume()
        with self.assertRaises(AccessError):
            own.unlink()
        (own + replay).with_user(administrator).unlink()
        self.assertFalse((own + replay).exists())

    def run_cron(self):
        self.env.cr.flush()
        with self.enter_registry_test_mode(), self.registry.cursor() as cr:
            self.env["webhook.replay"].with_env(self.env(cr=cr))._cron_run()
        self.env.invalidate_all()

    def test_a_replay_that_fails_keeps_no_other_waiting(self):
        _sink, subscriber, _partners = self.dead(2)
        user = self.manager()
        broken = self.replay_of(user, subscriber).with_env(self.env)
        works = self.env["webhook.replay"].create({"subscriber_id": subscriber.id})
        user.group_ids = self.env.ref("base.group_user")  # may no longer see deliveries
        with mute_logger("odoo.addons.auto_webhook_odoo.models.webhook_job"):
            self.run_cron()
        self.assertEqual((broken.state, works.state), ("failed", "done"))
        self.assertIn("Webhook Delivery", broken.failure)
        self.assertEqual(works.done, 2)
        user.group_ids += self.env.ref("auto_webhook_odoo.group_webhook_manager")
        broken.action_resume()
        self.assertEqual((broken.state, broken.failure), ("running", False))
        self.run_cron()
        self.assertEqual(broken.state, "done")

    def test_what_a_failing_batch_did_is_undone(self):
        _sink, subscriber, _partners = self.dead(2)
        replay = self.env["webhook.replay"].create({"subscriber_id": subscriber.id})

        def half(job):
            job.env["webhook.delivery"].search([("state", "=", "dead")], limit=1)._retry()
            raise ZeroDivisionError("by zero")

        with (
            patch.object(type(replay), "_run_batch", half),
            self.assertLogs("odoo.addons.auto_webhook_odoo.models.webhook_job", "ERROR"),
        ):
            self.run_cron()
        self.assertEqual(replay.state, "failed")
        self.assertIn("ZeroDivisionError: by zero", replay.failure)
        self.assertFalse(self.pending())

    def test_a_replay_of_no_state_is_refused(self):
        _sink, subscriber = self.sink()
        with self.assertRaises(ValidationError):
            self.env["webhook.replay"].create({"subscriber_id": subscriber.id, "dead": False})

    def test_a_list_that_is_cut_off_is_refused(self):
        _sink, _subscriber, _partners = self.dead(2)
        deliveries = self.env["webhook.delivery"].search([])
        with patch.object(webhook_delivery, "_MOST_SELECTED", 2), self.assertRaises(UserError):
            deliveries.action_retry()

    def test_cancelling_lets_later_events_of_the_record_go(self):
        sink, _subscriber = self.sink(500, 500)
        partner = self.partners(1)
        self.next_transaction()
        partner.city = "Rome"
        self.deliver()
        first, second = self.delivery_of(partner)
        second.next_attempt_at = fields.Datetime.now() + timedelta(hours=1)  # held by the first
        first.action_cancel()
        self.deliver()
        self.assertEqual(second.state, "delivered")
        self.assertEqual(sink.events[-1]["event"], "write")
