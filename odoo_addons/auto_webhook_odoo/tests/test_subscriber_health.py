from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.modules import get_module_path
from odoo.tests import tagged

from ..delivery.blame import Evidence
from ..delivery.dispatcher import Claim
from ..delivery.transport import Outcome
from .delivery_case import AWAY, DeliveryCase


@tagged("post_install", "-at_install")
class TestSubscriberHealth(DeliveryCase):
    def away(self, **values):
        """Return a sink that has failed once and goes on failing, and its subscriber."""
        sink, subscriber = self.sink(*[AWAY] * 10, **values)
        self.partners(3)
        self.deliver()
        return sink, subscriber

    def test_an_endpoint_that_fails_is_probed_with_one_delivery(self):
        sink, subscriber = self.away()
        self.assertEqual(len(sink.events), 3)  # the batch
        self.make_due()
        self.deliver()
        self.assertEqual(len(sink.events), 4)
        self.assertEqual(subscriber.consecutive_failures, 2)
        self.assertEqual(set(self.env["webhook.delivery"].search([]).mapped("attempts")), {0})

    def test_while_it_is_probed_nobody_sends_more(self):
        _sink, subscriber = self.away()
        self.make_due()
        self.env.flush_all()
        deliveries = self.env["webhook.delivery"]
        self.assertEqual(len(deliveries._claim(subscriber.id).deliveries), 1)
        other = deliveries._claim(subscriber.id)
        self.assertFalse(other.deliveries)
        self.assertGreater(other.wait, subscriber.timeout)  # the probe may take that long

    def test_pauses_grow_and_nothing_is_sent_meanwhile(self):
        sink, subscriber = self.away(backoff_base=10)
        pauses = []
        for _failure in range(3):
            pauses.append((subscriber.paused_until - fields.Datetime.now()).total_seconds())
            number = len(sink.requests)
            self.deliver()
            self.assertEqual(len(sink.requests), number)
            self.make_due()
            self.deliver()
        for pause, expected in zip(pauses, (10, 20, 40), strict=True):
            self.assertAlmostEqual(pause, expected, delta=expected * 0.2 + 1)

    def test_once_it_answers_everything_follows(self):
        sink, subscriber = self.sink(AWAY)
        self.partners(3)
        self.deliver()
        self.make_due()
        self.deliver()
        self.assertEqual(
            set(self.env["webhook.delivery"].search([]).mapped("state")), {"delivered"}
        )
        self.assertFalse(subscriber.paused_until)
        self.assertFalse(subscriber.failing_since)
        self.assertEqual(subscriber.consecutive_failures, 0)
        self.assertEqual(len(sink.requests), 3)  # refused batch, probe, batch

    def test_an_endpoint_that_loses_everything_is_paused_whatever_it_answers(self):
        for status in (301, 400, 401, 404, 502, 524):
            with self.subTest(status=status):
                sink, subscriber = self.sink(judge=lambda _events, status=status: status)
                partners = self.partners(30)
                self.deliver()
                self.assertTrue(subscriber.paused_until)
                self.assertIn(f"HTTP {status}", subscriber.last_error)
                self.assertLess(len(sink.requests), 8)
                states = self.delivery_of(partners[0]) + self.delivery_of(partners[-1])
                self.assertEqual(
                    [(d.state, d.attempts) for d in states], [("pending", 0), ("pending", 0)]
                )
                subscriber.active = False

    def test_nothing_is_held_against_events_when_the_address_changes(self):
        _sink, subscriber = self.sink(judge=lambda _events: 404)
        partners = self.partners(2)
        self.deliver()
        self.assertEqual([self.delivery_of(p).suspected for p in partners], [1, 1])
        other = self.sink()[0]
        subscriber.url = other.url
        self.assertEqual([self.delivery_of(p).suspected for p in partners], [0, 0])
        self.deliver()
        self.assertEqual([self.delivery_of(p).attempts for p in partners], [1, 1])

    def test_every_second_probe_is_an_event_that_has_not_failed(self):
        sink, subscriber = self.sink(judge=lambda _events: 502)
        self.partners(20)
        self.deliver()
        sink.requests.clear()
        newest = self.partners(1)
        for _probe in range(3):
            subscriber.paused_until = False
            self.deliver()
        oldest, new, next_oldest = [event["record_id"] for event in sink.events]
        self.assertEqual(new, newest.id)
        self.assertLess(oldest, next_oldest)

    def test_after_a_long_time_it_is_disabled_and_administrators_are_told(self):
        _sink, subscriber = self.away(disable_after=48)
        self.assertEqual(subscriber.state, "enabled")
        subscriber.failing_since = fields.Datetime.now() - timedelta(hours=49)
        self.make_due()
        self.deliver()
        self.assertEqual(subscriber.state, "disabled")
        self.env["webhook.subscriber"]._update_notices()
        self.env["webhook.subscriber"]._update_notices()
        told = subscriber.activity_ids
        self.assertEqual(len(told), len(told.user_id))
        self.assertIn(self.env.ref("base.user_admin"), told.user_id)
        self.assertIn("HTTP 503", told[0].note)

    def test_zero_hours_never_disable(self):
        _sink, subscriber = self.away(disable_after=0)
        subscriber.failing_since = fields.Datetime.now() - timedelta(days=900)
        self.make_due()
        self.deliver()
        self.assertEqual(subscriber.state, "enabled")

    def test_disabled_endpoints_lose_nothing(self):
        sink, subscriber = self.sink(410)
        self.partners(1)
        self.deliver()
        self.assertEqual(subscriber.state, "disabled")
        self.partners(2)
        self.deliver()
        self.assertEqual(len(sink.requests), 1)
        self.env["webhook.subscriber"]._update_notices()
        self.assertTrue(subscriber.activity_ids)
        subscriber.action_enable()
        self.assertFalse(subscriber.activity_ids)
        self.deliver()
        self.assertEqual(len(sink.events), 4)
        self.assertEqual(
            set(self.env["webhook.delivery"].search([]).mapped("state")), {"delivered"}
        )

    def test_a_dry_run_records_what_would_be_sent(self):
        sink, subscriber = self.sink(state="dry_run")
        partners = self.partners(2)
        self.deliver()
        self.assertFalse(sink.requests)
        deliveries = self.env["webhook.delivery"].search([])
        self.assertEqual(set(deliveries.mapped("record_id")), set(partners.ids))
        self.assertEqual(set(deliveries.mapped("state")), {"cancelled"})
        self.assertIn("Dry run", deliveries[0].last_error)
        subscriber.state = "enabled"
        self.partners(1)
        self.deliver()
        self.assertEqual(len(sink.events), 1)

    def test_a_neutralised_copy_pushes_nothing(self):
        sink, _subscriber = self.sink()
        self.partners(1)
        self.env.cr.flush()
        with open(f"{get_module_path('auto_webhook_odoo')}/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        self.env.invalidate_all()
        self.partners(1)
        self.deliver()
        self.assertFalse(sink.requests)

    def test_a_failing_endpoint_blocks_no_other(self):
        _away, _subscriber = self.sink(*[503] * 5)
        good, _other = self.sink()
        self.partners(2)
        self.deliver()
        self.assertEqual(len(good.events), 2)

    def test_failures_long_ago_do_not_disable(self):
        """Odoo was off for a week, and the endpoint is not up yet."""
        _sink, subscriber = self.away(disable_after=48)
        week_ago = fields.Datetime.now() - timedelta(days=7)
        subscriber.write({"failing_since": week_ago, "last_failure": week_ago})
        self.make_due()
        self.deliver()
        self.assertEqual(subscriber.state, "enabled")

    def test_a_late_success_does_not_hide_that_it_was_disabled(self):
        _sink, subscriber = self.sink(410)
        self.partners(1)
        self.deliver()
        late = Evidence(Claim(subscriber.id))
        late.note([], Outcome(True, status=200))
        subscriber._record_health(late)  # of another process
        subscriber.action_resume()
        self.env["webhook.subscriber"]._update_notices()
        self.assertEqual(subscriber.state, "disabled")
        self.assertTrue(subscriber.activity_ids)

    def test_an_activity_that_fails_hides_no_other_endpoint(self):
        subscribers = self.env["webhook.subscriber"]
        for _number in range(2):
            subscribers |= self.sink()[1]
        subscribers.write({"state": "disabled", "disabled_reason": "Gone."})
        unlucky, other = subscribers
        schedule = type(subscribers).activity_schedule

        def fail(subscriber, *args, **kwargs):
            if subscriber == unlucky:
                raise ValueError("an addon of somebody else")
            return schedule(subscriber, *args, **kwargs)

        with (
            patch.object(type(subscribers), "activity_schedule", fail),
            self.assertLogs(subscribers._update_notices.__module__, "ERROR"),
        ):
            subscribers._update_notices()
        self.assertEqual(subscribers.filtered("disabled_reason"), unlucky)
        self.assertTrue(other.activity_ids)

    def test_the_answer_of_an_endpoint_is_no_html_in_an_activity(self):
        page = b"<a href='https://example.com'>click</a>"
        _sink, subscriber = self.sink((410, {}, page))
        self.partners(1)
        self.deliver()
        self.env["webhook.subscriber"]._update_notices()
        self.assertNotIn("<a", subscriber.activity_ids[0].note)
