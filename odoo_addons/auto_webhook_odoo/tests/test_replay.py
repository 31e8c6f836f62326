from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from ..models import webhook_delivery, webhook_replay
from .delivery_case import DeliveryCase


@tagged("post_install", "-at_install")
class TestReplay(DeliveryCase):
    def dead(self, number):
        """Return a sink, its subscriber and partners whose deliveries are dead."""
        sink, subscriber = self.sink(*[422] * (number + 1), max_attempts=1)
        partners = self.partners(number)
        self.deliver()
        self.assertEqual(set(self.env["webhook.delivery"].search([]).mapped("state")), {"dead"})
        sink.requests.clear()
        sink._answers.clear()
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

    def test_what_was_dead_is_marked_as_replayed(self):
        sink, _subscriber, partners = self.dead(1)
        self.delivery_of(partners).action_retry()
        self.deliver()
        self.assertEqual([event["replayed"] for event in sink.events], [True])
        self.assertEqual(self.delivery_of(partners).state, "delivered")

    def test_what_was_waiting_is_not(self):
        sink, _subscriber = self.sink(500)
        partner = self.partners(1)
        self.deliver()
        self.delivery_of(partner).action_retry()
        self.deliver()
        self.assertNotIn("replayed", sink.events[1])

    def test_all_of_a_subscriber_in_batches(self):
        sink, subscriber, partners = self.dead(5)
        replay = self.env["webhook.replay"].create({"subscriber_id": subscriber.id})
        self.assertEqual(replay.found, 5)
        with patch.object(webhook_replay, "_BATCH", 2):
            self.assertEqual(replay._run_batch(), 2)
            self.run_to_end(replay)
        self.assertEqual((replay.state, replay.done), ("done", 5))
        self.deliver()
        self.assertEqual({event["record_id"] for event in sink.events}, set(partners.ids))

    def test_only_since_and_only_this_subscriber(self):
        other, _other_subscriber = self.sink(*[422] * 3, max_attempts=1)
        sink, subscriber, partners = self.dead(2)
        deliveries = self.env["webhook.delivery"].search([("subscriber_id", "=", subscriber.id)])
        early = self.delivery_of(partners[0]) & deliveries
        early.event_id.timestamp = fields.Datetime.now() - timedelta(days=2)
        replay = self.env["webhook.replay"].create(
            {"subscriber_id": subscriber.id, "since": fields.Datetime.now() - timedelta(days=1)}
        )
        self.run_to_end(replay)
        self.deliver()
        self.assertEqual([event["record_id"] for event in sink.events], [partners[1].id])
        self.assertEqual(len(other.requests), 3)

    def test_it_says_what_to_send(self):
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
