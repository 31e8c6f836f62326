import json
from unittest.mock import patch

from odoo.tests import tagged

from ..delivery import dispatcher
from .delivery_case import DeliveryCase


@tagged("post_install", "-at_install")
class TestBatches(DeliveryCase):
    def messages(self, sink):
        return [json.loads(body) for _headers, body in sink.requests]

    def record_ids(self, message):
        return [event["record_id"] for event in message["events"]]

    def sizes(self, sink):
        """Return how many events each message held."""
        return [len(message.get("events", [message])) for message in self.messages(sink)]

    def refusing(self, status, record):
        """Return what a sink must answer to refuse the events of one record."""
        return lambda events: (
            status if any(event["record_id"] == record.id for event in events) else 200
        )

    def test_a_backlog_goes_out_in_batches_in_order(self):
        sink, _subscriber = self.sink(batch_size=4)
        partners = self.partners(6)
        self.deliver()
        first, second = self.messages(sink)
        self.assertEqual(self.record_ids(first), partners.ids[:4])
        self.assertEqual(self.record_ids(second), partners.ids[4:])
        source = self.env["ir.config_parameter"].get_param("database.uuid")
        self.assertEqual((first["source"], second["source"]), (source, source))
        self.assertNotIn("source", first["events"][0])
        self.assertEqual(
            set(self.env["webhook.delivery"].search([]).mapped("state")), {"delivered"}
        )

    def test_a_lone_event_is_no_batch(self):
        sink, _subscriber = self.sink(batch_size=4)
        partners = self.partners(5)
        self.deliver()
        self.assertEqual(self.messages(sink)[1]["record_id"], partners.ids[4])

    def test_the_same_batch_has_the_same_id(self):
        sink, _subscriber = self.sink((503, {"Retry-After": "0"}, b""))
        self.partners(3)
        self.deliver()
        self.make_due()
        self.env["webhook.subscriber"].search([]).consecutive_failures = 0
        self.deliver()
        ids = [headers["webhook-id"] for headers, _body in sink.requests]
        self.assertEqual(ids[0], ids[1])

    def test_a_refused_event_is_found_and_the_others_use_up_no_attempts(self):
        for status in (400, 403, 404, 413, 422, 500, 502):
            with self.subTest(status=status):
                sink, subscriber = self.sink()
                partners = self.partners(3)
                sink.judge = self.refusing(status, partners[1])
                self.deliver()
                states = [self.delivery_of(partner) for partner in partners]
                self.assertEqual(
                    [(delivery.state, delivery.attempts) for delivery in states],
                    [("delivered", 1), ("pending", 1), ("delivered", 1)],
                )
                self.assertEqual(self.sizes(sink), [3, 1, 2, 1, 1])
                self.assertFalse(subscriber.paused_until)
                subscriber.active = False

    def test_a_batch_that_the_endpoint_asks_to_send_later_stays_one(self):
        sink, subscriber = self.sink((429, {"Retry-After": "60"}, b""))
        self.partners(3)
        self.deliver()
        self.assertEqual(self.sizes(sink), [3])
        self.assertTrue(subscriber.paused_until)

    def test_a_delivery_that_has_failed_is_sent_alone_and_after_the_others(self):
        sink, _subscriber = self.sink()
        bad = self.partners(1)
        sink.judge = self.refusing(500, bad)
        self.partners(2)
        self.deliver()
        sink.judge = None
        sink.requests.clear()
        self.partners(2)
        self.make_due()
        self.deliver()
        self.assertEqual(self.sizes(sink), [2, 1])
        self.assertEqual(sink.events[-1]["record_id"], bad.id)

    def test_a_record_that_fails_alone_holds_its_later_events_in_the_same_batch(self):
        sink, _subscriber = self.sink()
        partner = self.partners(1)
        self.next_transaction()
        partner.city = "Rome"
        self.partners(1)
        sink.judge = self.refusing(500, partner)
        self.deliver()
        self.assertEqual(self.delivery_of(partner).mapped("attempts"), [1, 0])
        self.assertEqual(set(self.delivery_of(partner).mapped("state")), {"pending"})

    def test_a_batch_is_not_larger_than_a_limit(self):
        sink, _subscriber = self.sink()
        self.partners(3)
        with patch.object(dispatcher, "_MAX_BATCH", 10):
            self.deliver()
        self.assertEqual(len(sink.requests), 3)
        self.assertEqual(len(sink.events), 3)

    def test_the_size_of_a_batch_is_counted_in_bytes(self):
        """Many servers accept 1 MiB by default; a Chinese character has three bytes."""
        for character in ("a", "\u4e2d"):
            with self.subTest(character=character):
                sink, subscriber = self.sink(batch_size=1000)
                self.env["res.partner"].create(
                    [{"name": f"P{index}", "comment": character * 40_000} for index in range(30)]
                )
                self.deliver()
                lengths = [len(body) for _headers, body in sink.requests]
                self.assertEqual(len(sink.events), 30)
                self.assertLess(max(lengths), 1024 * 1024)
                self.assertGreater(max(lengths), 800_000)
                subscriber.active = False

    def test_several_events_of_a_record_travel_together_in_order(self):
        sink, _subscriber = self.sink()
        partner = self.partners(1)
        for city in ("Rome", "Oslo", "Bern"):
            self.next_transaction()
            partner.city = city
        self.deliver()
        self.assertEqual(len(sink.requests), 1)
        cities = [event["payload"]["city"] for event in sink.events]
        self.assertEqual(cities, [None, "Rome", "Oslo", "Bern"])

    def test_the_rate_limit_bounds_a_batch_and_defers_the_next(self):
        sink, subscriber = self.sink(rate_limit=2)
        self.partners(5)
        self.deliver()
        self.assertEqual(len(sink.events), 2)
        self.assertTrue(subscriber.next_batch_at)
        for expected in (4, 5):
            subscriber.next_batch_at = False
            self.deliver()
            self.assertEqual(len(sink.events), expected)

    def test_batches_shrink_for_an_endpoint_that_is_slow(self):
        sink, subscriber = self.sink(seconds_per_event=0.06, timeout=1)
        self.partners(20)
        self.deliver()
        self.assertEqual(
            set(self.env["webhook.delivery"].search([]).mapped("state")), {"delivered"}
        )
        self.assertEqual(self.sizes(sink), [20, 1, 9, 10])
        self.assertEqual(subscriber.batch_limit, 10)
        self.assertFalse(subscriber.paused_until)
        self.partners(10)
        self.deliver()
        self.assertEqual(self.sizes(sink)[4:], [10])
        self.assertEqual(subscriber.batch_limit, 12)  # and grow again, step by step

    def test_batches_shrink_for_an_endpoint_that_takes_only_small_ones(self):
        sink, subscriber = self.sink(judge=lambda events: 413 if len(events) > 4 else 200)
        self.partners(20)
        self.deliver()
        self.assertEqual(len({event["record_id"] for event in sink.events}), 20)
        self.assertEqual(self.sizes(sink)[:4], [20, 1, 9, 1])
        self.assertLess(subscriber.batch_limit, 6)
        sink.requests.clear()
        self.partners(20)
        self.deliver()
        self.assertLess(sum(size > 4 for size in self.sizes(sink)), 4)
