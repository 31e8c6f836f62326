import base64
import hashlib
import hmac
from contextlib import closing
from datetime import timedelta
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.auto_webhook_odoo.delivery import sender
from odoo.addons.auto_webhook_odoo.delivery.connections import open_connections
from odoo.addons.auto_webhook_odoo.delivery.database import Database
from odoo.addons.auto_webhook_odoo.delivery.dispatcher import deliver
from odoo.addons.auto_webhook_odoo.delivery.transport import Outcome
from odoo.addons.auto_webhook_odoo.wire.signature import decode_secret, signature_headers

from .delivery_case import AWAY, DeliveryCase


@tagged("post_install", "-at_install")
class TestDelivery(DeliveryCase):
    def test_an_instant_event_is_posted_and_signed(self):
        sink, subscriber = self.sink()
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        (headers, body), (event,) = sink.requests[0], sink.events
        self.assertEqual(event["model"], "res.partner")
        self.assertEqual(event["record_id"], partner.id)
        self.assertEqual(event["event"], "create")
        self.assertEqual(event["payload"]["name"], "Ada")
        self.assertEqual(
            event["source"], self.env["ir.config_parameter"].get_param("database.uuid")
        )
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = decode_secret(subscriber.signing_secret)
        signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        self.assertEqual(headers["webhook-signature"], f"v1,{signature}")
        self.assertEqual(self.delivery_of(partner).state, "delivered")
        self.assertFalse(self.delivery_of(partner).event_id.is_processed)

    def test_other_events_wait_to_be_pulled(self):
        sink, _subscriber = self.sink()
        self.config.instant_send = False
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertFalse(sink.requests)
        self.assertFalse(self.delivery_of(partner))
        self.assertTrue(self.events(partner))

    def test_instant_fields_decide_which_writes_are_pushed(self):
        sink, _subscriber = self.sink()
        self.config.instant_field_ids = self.env["ir.model.fields"]._get("res.partner", "city")
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.forget()
        partner.street = "Main street 1"
        self.deliver()
        self.assertFalse(sink.requests)
        partner.city = "Rome"
        self.deliver()
        self.assertEqual(sink.events[0]["changed_fields"], ["city", "street"])

    def test_earlier_events_of_the_record_go_first(self):
        sink, _subscriber = self.sink()
        self.config.instant_send = False
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.next_transaction()
        self.config.instant_send = True
        partner.city = "Rome"
        self.deliver()
        self.assertEqual([event["event"] for event in sink.events], ["create", "write"])

    def test_a_failing_event_is_tried_again_and_holds_later_ones_of_its_record_only(self):
        sink, _subscriber = self.sink(500, 500)  # the batch, then the first event alone
        first = self.env["res.partner"].create({"name": "Ada"})
        self.next_transaction()
        first.city = "Rome"
        other = self.env["res.partner"].create({"name": "Grace"})
        self.deliver()
        self.assertEqual(self.delivery_of(first).mapped("state"), ["pending", "pending"])
        self.assertEqual(self.delivery_of(first)[0].attempts, 1)
        self.assertIn("HTTP 500", self.delivery_of(first)[0].last_error)
        self.assertGreater(self.delivery_of(first)[0].next_attempt_at, fields.Datetime.now())
        self.assertEqual(self.delivery_of(other).state, "delivered")
        self.make_due()
        self.deliver()
        self.assertEqual(self.delivery_of(first).mapped("state"), ["delivered", "delivered"])
        self.assertEqual(
            [(event["record_id"], event["event"]) for event in sink.events[3:]],
            [(first.id, "create"), (other.id, "create"), (first.id, "create"), (first.id, "write")],
        )
        ids = [headers["webhook-id"] for headers, _body in sink.requests]
        self.assertEqual(ids[1], ids[3])

    def test_after_the_last_attempt_a_delivery_is_dead_and_holds_nothing(self):
        sink, _subscriber = self.sink(max_attempts=2)
        partner = self.env["res.partner"].create({"name": "Ada"})
        sink.judge = lambda events: 500 if events[0]["record_id"] == partner.id else 200
        for attempts, state in ((1, "pending"), (2, "dead")):
            self.partners(1)
            self.deliver()
            self.make_due()
            self.assertEqual(self.delivery_of(partner).attempts, attempts)
            self.assertEqual(self.delivery_of(partner).state, state)
        sink.judge = None
        self.next_transaction()
        partner.city = "Rome"
        self.deliver()
        self.assertEqual(self.delivery_of(partner).mapped("state"), ["dead", "delivered"])
        self.delivery_of(partner)[0].action_retry()
        self.deliver()
        self.assertEqual(self.delivery_of(partner).mapped("state"), ["delivered", "delivered"])

    def test_an_endpoint_that_is_away_is_paused_and_uses_up_no_attempts(self):
        sink, subscriber = self.sink()
        sink.close()
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        delivery = self.delivery_of(partner)
        self.assertEqual((delivery.state, delivery.attempts), ("pending", 0))
        self.assertEqual(subscriber.consecutive_failures, 1)
        self.assertGreater(subscriber.paused_until, fields.Datetime.now())
        self.assertIn("refused", delivery.last_error)

    def test_retry_after_is_honoured(self):
        _sink, subscriber = self.sink((503, {"Retry-After": "600"}, b""))
        self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertGreater(subscriber.paused_until, fields.Datetime.now() + timedelta(seconds=590))

    def test_gone_disables_the_subscriber(self):
        _sink, subscriber = self.sink(410)
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertEqual(subscriber.state, "disabled")
        self.assertEqual(self.delivery_of(partner).state, "pending")

    def test_redirects_are_failures(self):
        sink, _subscriber = self.sink((302, {"Location": "/elsewhere"}, b""))
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertEqual(len(sink.requests), 1)
        self.assertEqual(self.delivery_of(partner).state, "pending")

    def test_only_2xx_is_success(self):
        for status in (301, 304):
            with self.subTest(status=status):
                _sink, subscriber = self.sink(status, confirm_on_delivery=True)
                partner = self.env["res.partner"].create({"name": "Ada"})
                self.deliver()
                delivery = self.delivery_of(partner)
                self.assertEqual((delivery.state, delivery.last_status), ("pending", status))
                self.assertFalse(delivery.event_id.is_processed)
                subscriber.active = False

    def test_a_refused_event_is_no_success_of_the_endpoint(self):
        _sink, subscriber = self.sink(500)
        self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertFalse(subscriber.last_success)
        self.assertTrue(subscriber.last_failure)
        self.assertFalse(subscriber.paused_until)

    def test_an_odd_endpoint_does_not_stop_the_others(self):
        for answer in (
            (500, {}, b"null \x00 character"),
            (503, {"Retry-After": "9" * 30}, b""),
            (503, {"Retry-After": "\xb2"}, b""),
        ):
            with self.subTest(answer=answer):
                _sink, odd = self.sink(answer)
                good_sink, good = self.sink()
                self.env["res.partner"].create({"name": "Ada"})
                self.deliver()
                self.assertEqual(len(good_sink.requests), 1)
                deliveries = self.env["webhook.delivery"].search(
                    [("subscriber_id", "in", (odd + good).ids)]
                )
                self.assertEqual(
                    {d.subscriber_id: d.state for d in deliveries},
                    {odd: "pending", good: "delivered"},
                )
                self.assertTrue(odd.last_failure)
                (odd + good).active = False

    def test_a_subscriber_that_a_configuration_names_cannot_be_deleted(self):
        """The configuration would then name no subscriber, which means all of them."""
        _sink, subscriber = self.sink()
        self.config.subscriber_ids = subscriber
        subscriber.active = False
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            subscriber.unlink()
        config = self.config.with_context(active_test=False)
        self.assertEqual(config.subscriber_ids, subscriber)

    def test_archived_subscribers_get_no_new_deliveries(self):
        sink, subscriber = self.sink()
        self.config.subscriber_ids = subscriber
        subscriber.active = False
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertFalse(self.delivery_of(partner))
        self.assertFalse(sink.requests)

    def test_confirm_on_delivery(self):
        _sink, _subscriber = self.sink(confirm_on_delivery=True)
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertTrue(self.events(partner).is_processed)

    def test_only_the_chosen_subscribers_get_the_events(self):
        sink, subscriber = self.sink()
        other, _other_subscriber = self.sink()
        self.config.subscriber_ids = subscriber
        self.env["res.partner"].create({"name": "Ada"})
        self.deliver()
        self.assertEqual((len(sink.requests), len(other.requests)), (1, 0))

    def test_credentials(self):
        for values, header, expected in [
            ({"auth_type": "bearer", "auth_token": "abc"}, "Authorization", "Bearer abc"),
            ({"auth_type": "api_key", "auth_token": "abc"}, "X-API-Key", "abc"),
            ({"auth_type": "basic", "auth_token": "u:p"}, "Authorization", "Basic dTpw"),
        ]:
            with self.subTest(auth_type=values["auth_type"]):
                sink, subscriber = self.sink(signing_secret=False, **values)
                self.env["res.partner"].create({"name": "Ada"})
                self.deliver()
                headers, _body = sink.requests[0]
                self.assertEqual(headers[header], expected)
                self.assertNotIn("webhook-signature", headers)
                subscriber.active = False

    def test_incomplete_credentials_are_refused(self):
        for values in (
            {"auth_type": "bearer"},
            {"auth_type": "signature", "signing_secret": False},
            {"signing_secret": "whsec_short"},
            {"url": "ftp://example.com"},
            {"url": "https://"},
            {"url": "http://a..b/x"},
            {"auth_type": "bearer", "auth_token": "t\u00f6ken"},
            {"auth_type": "bearer", "auth_token": "a\r\nX-Other: b"},
        ):
            with self.subTest(**values), self.assertRaises(ValidationError):
                self.env["webhook.subscriber"].create(
                    {"name": "Wrong", "url": "https://example.com", **values}
                )

    def test_while_a_key_is_replaced_both_sign(self):
        sink, subscriber = self.sink(rotation_hours=2)
        old = subscriber.signing_secret
        subscriber.action_new_secret()
        self.assertNotEqual(subscriber.signing_secret, old)
        self.partners(1)
        self.deliver()
        subscriber.previous_secret_until = fields.Datetime.now()
        self.partners(1)
        self.deliver()
        for (headers, body), secrets in zip(
            sink.requests,
            [(subscriber.signing_secret, old), (subscriber.signing_secret,)],
            strict=True,
        ):
            expected = signature_headers(
                secrets, headers["webhook-id"], int(headers["webhook-timestamp"]), body
            )
            self.assertEqual(headers["webhook-signature"], expected["webhook-signature"])

    def test_an_event_that_was_offered_again_is_left_to_the_pull(self):
        sink, _subscriber = self.sink()
        self.config.instant_send = False
        partner = self.partners(1)
        event = self.events(partner)
        self.confirm(failed={event.id: "no handler"})
        event.action_offer_again()
        self.next_transaction()
        self.config.instant_send = True
        partner.city = "Rome"
        self.deliver()
        self.assertEqual([event["event"] for event in sink.events], ["write"])
        self.assertFalse(event.failed_at)

    def test_events_of_a_restored_database_are_no_duplicates(self):
        """A restore brings back the sequence: the same id, another event."""
        sink, _subscriber = self.sink()
        first = self.partners(1)
        self.deliver()
        event_id = self.events(first).id
        self.forget()
        self.env.cr.execute("DELETE FROM webhook_feed_pending")
        self.env.cr.execute("SELECT setval('update_webhook_id_seq', %s, false)", [event_id])
        self.env.cr.execute("SELECT pg_sleep(0.001)")  # the clock has gone on
        other = self.partners(1)
        self.deliver()
        before, after = sink.events
        self.assertEqual((before["event_id"], after["event_id"]), (event_id, event_id))
        self.assertEqual(self.events(other).id, event_id)
        self.assertNotEqual(before["timestamp"], after["timestamp"])
        ids = [headers["webhook-id"] for headers, _body in sink.requests]
        self.assertNotEqual(ids[0], ids[1])

    def test_later_events_do_not_wait_for_a_replay(self):
        sink, _subscriber = self.sink(500)
        partner = self.partners(1)
        self.env.cr.flush()
        self.delivery_of(partner).state = "dead"
        self.delivery_of(partner).action_retry()
        self.deliver()
        self.assertEqual(self.delivery_of(partner).state, "pending")
        self.next_transaction()
        partner.city = "Rome"
        self.deliver()
        self.assertEqual(self.delivery_of(partner).mapped("state"), ["pending", "delivered"])
        self.assertEqual(sink.events[-1]["event"], "write")

    def test_a_leased_delivery_is_not_sent_a_second_time(self):
        _sink, subscriber = self.sink()
        partner = self.partners(1)
        self.env.cr.flush()
        claim = self.env["webhook.delivery"]._claim(subscriber.id)
        self.env.invalidate_all()
        delivery = self.delivery_of(partner)
        delivery.action_retry()
        self.assertEqual(delivery.leased_until, claim.deliveries[0].leased_until)
        self.assertFalse(self.env["webhook.delivery"]._claim(subscriber.id).deliveries)

    def test_a_turn_that_is_over_leaves_the_rest_to_the_next_one(self):
        sink, subscriber = self.sink(batch_size=1)
        self.partners(3)
        self.env.cr.flush()
        with self.enter_registry_test_mode(), closing(Database(self.env.cr.dbname)) as database:
            deliver(database, subscriber.id, open_connections, lambda: bool(sink.requests))
        self.env.invalidate_all()
        self.assertEqual(len(sink.requests), 1)
        pending = self.env["webhook.delivery"].search([("state", "=", "pending")])
        self.assertEqual(len(pending), 2)
        self.assertFalse(any(pending.mapped("leased_until")))
        self.deliver()
        self.assertEqual(len({event["event_id"] for event in sink.events}), 3)
        self.assertEqual(len(sink.requests), 3)

    def test_the_cron_is_called_again_if_its_turn_was_too_short(self):
        cron = self.env.ref("auto_webhook_odoo.cron_deliver")
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        for is_work_left in (False, True):
            with (
                patch.object(sender, "wake"),
                patch.object(sender, "take_turn", return_value=is_work_left),
                self.enter_registry_test_mode(),
                self.registry.cursor() as cr,
            ):
                self.env(cr=cr)["webhook.delivery"]._cron_deliver()
            self.env.invalidate_all()
            added = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]) - triggers
            self.assertEqual(len(added), int(is_work_left))

    def test_a_process_that_lost_its_lease_changes_nothing_unless_it_delivered(self):
        _sink, subscriber = self.sink()
        partner = self.partners(1)
        self.env.cr.flush()
        deliveries = self.env["webhook.delivery"]
        late = deliveries._claim(subscriber.id)
        self.make_due()
        self.env.cr.execute("SELECT pg_sleep(0.001)")  # the clock has gone on
        deliveries.flush_model()
        taken_over = deliveries._claim(subscriber.id)
        delivery = self.delivery_of(partner)
        self.record(late)
        self.assertEqual(delivery.leased_until, taken_over.deliveries[0].leased_until)
        self.record(late, Outcome(False, status=500))
        self.assertEqual((delivery.state, delivery.attempts), ("pending", 0))
        self.record(late, Outcome(True, status=200))
        self.assertEqual(delivery.state, "delivered")

    def test_a_long_history_is_not_taken_along_again(self):
        _sink, _subscriber = self.sink()
        partner = self.partners(1)
        for city in ("Rome", "Oslo", "Bern"):
            self.next_transaction()
            partner.city = city
        self.deliver()
        self.env["webhook.delivery"].search([])[-1].unlink()  # of the first event
        self.next_transaction()
        partner.city = "Ulm"
        self.env.cr.flush()
        self.assertEqual(len(self.delivery_of(partner)), 4)


@tagged("post_install", "-at_install")
class TestConfirmedElsewhere(DeliveryCase):
    """What the receiver behind an endpoint has confirmed through the feed is not pushed to it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.receiver = cls.webhook_user("receiver")
        cls.stranger = cls.webhook_user("receiver", login="stranger")

    def ours(self, *answers, **values):
        return self.sink(*answers, receiver_user_id=self.receiver.id, **values)

    def receiver_confirms(self, *events, user=None, failures=()):
        """Confirm events as the route does, by default with the key of the receiver's user."""
        self.confirm([event.id for event in events], failures, user or self.receiver)

    def states(self, subscriber):
        deliveries = self.env["webhook.delivery"].search([("subscriber_id", "=", subscriber.id)])
        return deliveries.sorted(lambda delivery: delivery.event_id.id).mapped("state")

    def changed(self, *cities):
        """Return a new contact with a change in each of several transactions."""
        partner = self.partners(1)
        for city in cities:
            self.next_transaction()
            partner.city = city
        return partner

    def test_it_is_cancelled_with_a_reason(self):
        sink, _subscriber = self.ours()
        partner = self.partners(1)
        self.receiver_confirms(self.events(partner))
        self.deliver()
        delivery = self.delivery_of(partner)
        self.assertFalse(sink.requests)
        self.assertEqual((delivery.state, delivery.attempts), ("cancelled", 0))
        self.assertIn("confirmed this event through the feed", delivery.last_error)
        self.assertFalse(delivery.leased_until)
        self.assertFalse(delivery.attempt_ids)

    def test_the_rest_of_the_record_and_other_records_are_pushed(self):
        sink, subscriber = self.ours()
        first = self.changed("Rome", "Oslo")
        self.next_transaction()
        other = self.partners(1)
        self.receiver_confirms(*self.events(first)[:2])
        self.deliver()
        self.assertEqual(
            [(event["record_id"], event["event"]) for event in sink.events],
            [(first.id, "write"), (other.id, "create")],
        )
        self.assertEqual(sink.events[0]["payload"]["city"], "Oslo")
        self.assertEqual(self.states(subscriber), ["cancelled"] * 2 + ["delivered"] * 2)

    def test_an_endpoint_of_somebody_else_still_gets_it(self):
        """Nobody may hide an event from another."""
        ours, _subscriber = self.ours()
        theirs, _their_subscriber = self.sink(receiver_user_id=self.stranger.id)
        nobodys, _nobodys_subscriber = self.sink()
        partner = self.partners(1)
        self.receiver_confirms(self.events(partner))
        self.deliver()
        self.assertEqual(
            [len(sink.requests) for sink in (ours, theirs, nobodys)],
            [0, 1, 1],
        )

    def test_confirm_on_delivery_does_not_count(self):
        sink, subscriber = self.ours()
        _other, _other_subscriber = self.sink(confirm_on_delivery=True)
        subscriber.paused_until = fields.Datetime.now() + timedelta(hours=1)
        partner = self.partners(1)
        self.deliver()
        self.assertFalse(self.events(partner).is_processed)
        self.assertFalse(sink.requests)
        subscriber.paused_until = False
        self.deliver()
        self.assertEqual(len(sink.events), 1)

    def test_what_the_receiver_gave_up_is_not_pushed_either(self):
        """It may be offered again, and that is the pull's business."""
        sink, subscriber = self.ours()
        failed, offered, stranger = self.partners(3)
        for partner, user in ((failed, None), (offered, None), (stranger, self.stranger)):
            self.receiver_confirms(user=user, failures={self.events(partner).id: "no handler"})
        self.events(offered).action_offer_again()
        self.deliver()
        self.assertEqual([event["record_id"] for event in sink.events], stranger.ids)
        self.assertEqual(self.states(subscriber), ["cancelled", "cancelled", "delivered"])

    def test_a_replay_is_sent_all_the_same(self):
        sink, _subscriber = self.ours()
        partner = self.partners(1)
        self.receiver_confirms(self.events(partner))
        self.deliver()
        self.delivery_of(partner).action_retry()
        self.deliver()
        (event,) = sink.events
        self.assertTrue(event["replayed"])
        self.assertEqual(self.delivery_of(partner).state, "delivered")

    def test_a_delivery_that_is_being_sent_is_left_to_its_sender(self):
        _sink, subscriber = self.ours()
        partner = self.partners(1)
        self.env.cr.flush()
        claim = self.env["webhook.delivery"]._claim(subscriber.id)
        self.receiver_confirms(self.events(partner))
        self.assertFalse(self.env["webhook.delivery"]._claim(subscriber.id).deliveries)
        self.env.invalidate_all()
        self.assertEqual(self.delivery_of(partner).state, "pending")
        self.record(claim, Outcome(True, status=200))
        self.assertEqual(self.delivery_of(partner).state, "delivered")

    def test_deliveries_that_waited_for_it_are_woken(self):
        """The first one fails; the second one waits for its retry. Then the first is confirmed."""
        sink, subscriber = self.ours(500)
        partner = self.partners(1)
        self.deliver()
        self.next_transaction()
        partner.city = "Rome"
        self.deliver()
        first, second = self.delivery_of(partner)
        self.assertEqual(second.next_attempt_at, first.next_attempt_at)
        self.receiver_confirms(first.event_id)
        first.next_attempt_at = fields.Datetime.now()
        self.deliver()
        self.assertEqual(self.states(subscriber), ["cancelled", "delivered"])
        self.assertEqual([event["event"] for event in sink.events], ["create", "write"])

    def test_a_confirmed_delivery_need_not_wait_for_an_earlier_one(self):
        _sink, subscriber = self.ours(500)
        partner = self.partners(1)
        self.deliver()
        self.next_transaction()
        partner.city = "Rome"
        self.receiver_confirms(self.events(partner)[1])
        self.deliver()
        self.assertEqual(self.states(subscriber), ["pending", "cancelled"])

    def test_an_endpoint_that_is_back_is_probed_with_an_event_that_is_not_confirmed(self):
        """However many confirmed ones come before it: a probe is not spent on them."""
        sink, subscriber = self.ours(AWAY)
        confirmed = self.partners(30)
        self.deliver()
        last = self.partners(1)
        self.receiver_confirms(*self.events(*confirmed))
        self.make_due()
        self.deliver()
        self.assertEqual(sink.events[-1]["record_id"], last.id)
        self.assertEqual(len(sink.requests), 2)
        self.assertEqual(self.states(subscriber), ["cancelled"] * 30 + ["delivered"])
        self.assertFalse(subscriber.consecutive_failures)

    def test_a_claim_that_only_cancels_looks_again(self):
        sink, subscriber = self.ours(batch_size=1)
        confirmed, last = self.partners(50), self.partners(1)
        self.receiver_confirms(*self.events(*confirmed))
        self.deliver()
        self.assertEqual([event["record_id"] for event in sink.events], last.ids)
        self.assertEqual(self.states(subscriber), ["cancelled"] * 50 + ["delivered"])

    def test_confirmed_events_use_up_no_rate(self):
        sink, subscriber = self.ours(rate_limit=2)
        partners = self.partners(6)
        self.receiver_confirms(*self.events(*partners[:3]))
        self.deliver()
        self.assertEqual([event["record_id"] for event in sink.events], partners[3:5].ids)
        self.assertEqual(
            self.states(subscriber), ["cancelled"] * 3 + ["delivered"] * 2 + ["pending"]
        )

    def test_the_first_of_a_record_goes_first_although_a_probe_looks_at_more(self):
        sink, subscriber = self.ours(AWAY)
        partner = self.changed("Rome", "Oslo")
        self.deliver()
        subscriber.paused_until = False
        now = fields.Datetime.now()
        for minutes, delivery in enumerate(self.delivery_of(partner)):
            delivery.next_attempt_at = now - timedelta(minutes=minutes + 1)  # the last one first
        self.deliver()
        self.make_due()
        self.deliver()
        cities = [event["payload"]["city"] for event in sink.events[3:]]
        self.assertEqual(cities, [None, "Rome", "Oslo"])
