from datetime import timedelta

from odoo import Command, fields
from odoo.exceptions import AccessError, ValidationError
from odoo.modules.migration import load_script
from odoo.tests import tagged

from ..wire.event import EventName
from .common import FeedCase
from .delivery_case import DeliveryCase


@tagged("post_install", "-at_install")
class TestConsumers(FeedCase):
    """Several receivers of one Odoo: none can hide an event from another."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["webhook.consumer"].with_context(active_test=False).search([]).unlink()
        group = cls.env.ref("auto_webhook_odoo.group_webhook_receiver")
        group.user_ids = False
        cls.a = cls.webhook_user("receiver", "receiver a")
        cls.b = cls.webhook_user("receiver", "receiver b")
        cls.c = cls.webhook_user("consumer", "receiver c")
        cls.manager = cls.webhook_user("manager")
        cls.other = cls.env["res.company"].create({"name": "Other Ltd"})

    def setUp(self):
        super().setUp()
        self.forget()

    def join(self, user):
        """Make a user a member of the group, and return it."""
        self.env.ref("auto_webhook_odoo.group_webhook_receiver").user_ids |= user
        self.env.cr.flush()
        with self.enter_registry_test_mode():
            self.env["webhook.consumer"]._add_members()  # as after the commit
        return user

    def perform(self, action, user):
        """Press a button of a user's consumer."""
        self.env.cr.flush()
        with self.enter_registry_test_mode():
            getattr(self.consumer(user), action)()

    def made(self, number=3, **values):
        """Change some partners, and return the events."""
        self.next_transaction()
        known = self.env["update.webhook"].search([])
        self.env["res.partner"].create([{"name": "Ada", **values} for _ in range(number)])
        return (self.events() - known).sorted("id")

    def open_to(self, user, **kwargs):
        """Return the ids of the events that a receiver is offered."""
        page = self.pull(user=user, include_processed=False, **kwargs)
        return [event["id"] for event in page["events"]]

    def consumer(self, user):
        self.env.invalidate_all()
        return self.env["webhook.consumer"].search([("user_id", "=", user.id)])

    def rows(self):
        return self.env["webhook.confirmation"].search_count([])

    def figures(self, user):
        self.env.cr.flush()
        with self.enter_registry_test_mode():
            consumer = self.consumer(user)
            return consumer.unconfirmed, consumer.given_up

    def test_each_receiver_gets_every_event(self):
        events = self.made()
        self.assertEqual(self.open_to(self.a), events.ids)
        self.confirm(events.ids, user=self.a)
        self.assertEqual(self.open_to(self.a), [])
        self.assertEqual(self.open_to(self.b), events.ids)
        self.assertEqual(events.mapped("is_processed"), [False] * 3)
        self.confirm(events.ids, user=self.b)
        self.assertEqual(events.mapped("is_processed"), [True] * 3)

    def test_one_receiver_needs_no_rows_and_two_need_one_for_a_while(self):
        self.b.active = False
        events = self.made()
        self.confirm(events.ids, user=self.a)
        self.assertEqual((events.mapped("is_processed"), self.rows()), ([True] * 3, 0))
        self.b.active = True
        events = self.made()
        self.confirm(events.ids, user=self.a)
        self.assertEqual(self.rows(), 3)
        self.confirm(events.ids, user=self.b)
        self.assertEqual(self.rows(), 0)

    def test_an_event_that_one_gave_up_waits_for_the_other(self):
        first, second, _third = events = self.made()
        self.confirm(failed={first.id: "no handler"}, user=self.a)
        self.assertEqual(self.open_to(self.a), events[1:].ids)
        self.assertEqual(self.open_to(self.b), events.ids)
        self.confirm([first.id], {second.id: "not mine"}, user=self.b)
        self.assertTrue(first.is_processed)
        self.assertEqual((first.failure, second.failure), ("no handler", "not mine"))
        self.assertEqual(self.figures(self.a), (2, 1))
        self.assertEqual(self.figures(self.b), (1, 1))

    def test_offered_again_it_comes_to_the_one_that_gave_it_up(self):
        event = self.made(1)
        self.confirm([event.id], user=self.b)
        self.confirm(failed={event.id: "no handler"}, user=self.a)
        self.assertTrue(event.is_processed)
        event.action_offer_again()
        self.assertFalse(event.is_processed or event.failed_at or event.failure)
        self.assertEqual((self.open_to(self.a), self.open_to(self.b)), ([event.id], []))
        self.assertEqual((self.figures(self.a), self.figures(self.b)), ((1, 0), (0, 0)))
        self.confirm([event.id], user=self.a)
        self.assertTrue(event.is_processed)
        self.assertEqual(self.rows(), 0)

    def test_both_gave_it_up_and_get_it_again(self):
        event = self.made(1)
        for user in (self.a, self.b):
            self.confirm(failed={event.id: "no handler"}, user=user)
        self.assertTrue(event.is_processed)
        event.action_offer_again()
        self.assertEqual((self.open_to(self.a), self.open_to(self.b)), ([event.id], [event.id]))
        self.confirm([event.id], user=self.a)
        self.assertFalse(event.is_processed)
        self.confirm([event.id], user=self.b)
        self.assertTrue(event.is_processed)

    def test_a_late_success_takes_the_failure_back(self):
        event = self.made(1)
        self.confirm(failed={event.id: "no handler"}, user=self.a)
        self.confirm([event.id], user=self.a)
        self.assertFalse(event.failed_at or event.is_processed)
        self.confirm([event.id], user=self.b)
        self.assertTrue(event.is_processed)
        self.assertEqual((self.figures(self.a), self.figures(self.b)), ((0, 0), (0, 0)))

    def test_who_does_not_see_an_event_does_not_hold_it_back(self):
        other = self.other
        for restriction in (
            {"company_ids": [Command.set(other.ids)], "company_id": other.id},
            {"webhook_scope": "some"},
        ):
            with self.subTest(restriction=restriction):
                self.b.write(restriction)
                event = self.made(1, company_id=self.env.company.id)
                self.assertEqual(self.open_to(self.b), [])
                self.confirm([event.id], user=self.a)
                self.assertTrue(event.is_processed)

    def test_who_is_no_consumer_any_more_holds_nothing_back(self):
        group = self.env.ref("auto_webhook_odoo.group_webhook_receiver")
        for leave in (
            lambda: self.consumer(self.b).write({"active": False}),
            lambda: group.write({"user_ids": [Command.unlink(self.b.id)]}),
            lambda: self.b.write({"active": False}),
            lambda: self.consumer(self.b).unlink(),
        ):
            self.b.active = True
            group.user_ids |= self.b
            waiting = self.made(1)
            self.confirm([waiting.id], user=self.a)
            self.note_members()
            self.consumer(self.b).active = True
            with self.subTest(leave=leave):
                leave()
                later = self.made(1)
                self.confirm([later.id], user=self.a)
                self.assertTrue(later.is_processed)
                with self.enter_registry_test_mode():
                    self.env["webhook.consumer"]._cron_release()
                self.env.invalidate_all()
                self.assertTrue(waiting.is_processed)
            self.env["webhook.consumer"].with_context(active_test=False).search(
                [("user_id", "=", self.b.id)]
            ).unlink()

    def test_what_nobody_confirmed_is_not_released(self):
        event = self.made(1)
        self.env["webhook.consumer"].search([]).unlink()
        with self.enter_registry_test_mode():
            self.env["webhook.consumer"]._cron_release()
        self.assertFalse(event.is_processed)

    def test_a_new_consumer_begins_with_the_events_from_then_on(self):
        self.confirm(user=self.a)
        waiting, handled = self.made(2)
        self.confirm([handled.id], user=self.a)
        self.confirm([handled.id], user=self.b)
        c = self.join(self.c)
        self.assertEqual(self.open_to(c), [])
        new = self.made(1)
        self.assertEqual(self.open_to(c), new.ids)
        self.assertEqual(self.figures(c), (1, 0))
        for user in (self.a, self.b):
            self.confirm([waiting.id], user=user)
        self.assertTrue(waiting.is_processed)
        self.assertEqual(self.figures(c), (1, 0))

    def test_a_new_member_of_the_group_holds_events_back_before_its_first_call(self):
        self.confirm(user=self.a)
        c = self.join(self.c)
        event = self.made(1)
        for user in (self.a, self.b):
            self.confirm([event.id], user=user)
        self.assertFalse(event.is_processed)
        self.assertEqual(self.open_to(c), event.ids)

    def test_a_manager_becomes_a_consumer_with_its_first_call(self):
        manager = self.manager
        self.confirm(user=self.a)
        self.assertFalse(self.consumer(manager))
        self.pull(user=manager)
        self.assertFalse(self.consumer(manager))
        self.assertEqual(self.open_to(manager), [])
        self.assertTrue(self.consumer(manager))
        new = self.made(1)
        self.assertEqual(self.open_to(manager), new.ids)

    def test_a_consumer_may_start_with_everything_that_is_still_there(self):
        old = self.made(3)
        for user in (self.a, self.b):
            self.confirm(old.ids, user=user)
        waiting = self.made(1)
        c = self.join(self.c)
        self.assertEqual(self.open_to(c), [])
        self.perform("action_start_over", c)
        self.assertEqual(self.open_to(c), [*old.ids, *waiting.ids])
        self.assertEqual(self.open_to(self.a), waiting.ids)
        self.assertEqual([self.figures(user) for user in (self.a, c)], [(1, 0), (4, 0)])
        self.confirm(old.ids, user=c)
        self.assertEqual(old.mapped("is_processed"), [True] * 3)
        self.assertEqual([self.figures(user) for user in (self.a, c)], [(1, 0), (1, 0)])

    def test_what_waits_can_be_given_up(self):
        events = self.made()
        self.confirm(events[:1].ids, user=self.a)
        self.confirm(user=self.b)
        self.perform("action_skip", self.b)
        self.assertEqual((self.open_to(self.a), self.open_to(self.b)), (events[1:].ids, []))
        self.assertEqual(events.mapped("is_processed"), [True, False, False])

    def test_an_event_confirmed_and_given_up_in_one_call_is_confirmed(self):
        event = self.made(1)
        self.confirm([event.id], {event.id: "x"}, user=self.a)
        self.confirm([event.id], user=self.b)
        self.assertTrue(event.is_processed)
        self.assertFalse(event.failed_at)
        self.assertEqual(self.rows(), 0)

    def test_a_deleted_consumer_has_given_up_nothing(self):
        event = self.made(1)
        self.confirm([event.id], user=self.a)
        self.confirm(failed={event.id: "x"}, user=self.b)
        self.assertTrue(event.failed_at)
        self.consumer(self.b).unlink()
        self.env.invalidate_all()
        self.assertFalse(event.failed_at or event.failure)

    def test_events_of_an_archived_company_can_be_confirmed(self):
        """They were pushed, and are open to those who saw them."""
        self.a.company_ids |= self.other
        event = self.made(1, company_id=self.other.id)
        self.other.active = False
        self.assertEqual(self.open_to(self.a), event.ids)
        self.assertEqual(self.confirm([event.id], user=self.a), (1, []))
        self.assertEqual(self.open_to(self.a), [])
        self.assertTrue(event.is_processed)

    def test_an_idle_consumer_is_not_offered_what_another_gets_again(self):
        event = self.made(1)
        self.confirm([event.id], user=self.b)
        self.confirm(failed={event.id: "x"}, user=self.a)
        self.consumer(self.b).active = False
        event.action_offer_again()
        self.env["webhook.consumer"]._of_user(self.b).active = True
        self.assertEqual((self.open_to(self.a), self.open_to(self.b)), ([event.id], []))
        self.confirm([event.id], user=self.a)
        self.assertTrue(event.is_processed)

    def test_only_administrators_change_what_consumers_get(self):
        self.confirm(user=self.a)
        manager = self.manager
        for action in ("action_start_over", "action_skip"):
            with self.subTest(action=action), self.assertRaises(AccessError):
                getattr(self.consumer(self.a).with_user(manager), action)()

    def test_a_confirmation_with_the_time_of_another_event_confirms_nothing(self):
        """A restored database gives the ids of lost events to others."""
        event = self.made(1)
        lost = EventName(event.id, fields.Datetime.now() - timedelta(days=1))
        self.assertEqual(self.confirm([lost], user=self.a), (0, event.ids))
        self.assertEqual(self.confirm(failed={lost: "no handler"}, user=self.a), (0, event.ids))
        self.env.invalidate_all()
        self.assertFalse(event.is_processed or event.failed_at)
        self.assertEqual(self.open_to(self.a), event.ids)
        self.env.cr.execute("SELECT timestamp FROM update_webhook WHERE id = %s", [event.id])
        (exact,) = self.env.cr.fetchone()
        both = [lost, EventName(event.id, exact)]
        self.assertEqual(self.confirm(both, user=self.a), (1, event.ids))
        self.assertEqual(self.open_to(self.a), [])

    def test_a_receiver_that_has_lost_everything_finds_what_is_open_from_the_start(self):
        """The place up to which nothing is open moves on, and goes back when something is."""
        first, second, third = events = self.made()
        self.confirm([first.id], {second.id: "no handler"}, user=self.a)
        self.assertEqual(self.open_to(self.a), third.ids)
        self.confirm([third.id], user=self.a)
        self.assertEqual(self.open_to(self.a), [])
        self.assertEqual(self.consumer(self.a).settled_position, third.seq)
        self.assertEqual(self.open_to(self.b), events.ids)
        second.action_offer_again()
        self.assertEqual(self.open_to(self.a), second.ids)

    def test_a_consumer_that_sees_more_is_offered_what_it_did_not_see(self):
        other = self.other
        theirs = self.made(1, company_id=other.id)
        ours = self.made(1)
        self.confirm(ours.ids, user=self.a)
        self.assertEqual(self.open_to(self.a), [])
        self.a.company_ids |= other
        self.assertEqual(self.open_to(self.a), theirs.ids)

    def test_figures_are_right_after_counting_anew(self):
        events = self.made(4)
        self.confirm(events[:2].ids, {events[2].id: "x"}, user=self.a)
        self.confirm(events[:1].ids, user=self.b)
        expected = [(1, 1), (3, 0)]
        self.assertEqual([self.figures(self.a), self.figures(self.b)], expected)
        self.env["webhook.tally"]._count_anew()
        self.assertEqual([self.figures(self.a), self.figures(self.b)], expected)
        events[1:3].unlink()
        expected = [(1, 0), (1, 0)]
        self.assertEqual([self.figures(self.a), self.figures(self.b)], expected)
        self.env["webhook.tally"]._count_anew()
        self.assertEqual([self.figures(self.a), self.figures(self.b)], expected)

    def test_an_update_keeps_what_was_given_up_before_there_were_consumers(self):
        failed, waiting = self.made(2)
        self.env["webhook.consumer"].search([]).unlink()
        self.env.cr.execute(
            """
            ALTER TABLE update_webhook ADD COLUMN confirmed_by_id int4;
            UPDATE update_webhook
               SET confirmed_by_id = %s, failed_at = now(), failure = 'no handler'
             WHERE id = %s
            """,
            [self.manager.id, failed.id],
        )
        script = "auto_webhook_odoo/migrations/19.0.0.2.0/post-consumers.py"
        load_script(script, "post_consumers").migrate(self.env.cr, "19.0.0.1.0")
        self.env.invalidate_all()
        self.assertEqual((failed.is_processed, waiting.is_processed), (True, False))
        self.assertEqual(self.open_to(self.a), waiting.ids)
        self.assertEqual(self.figures(self.manager), (1, 1))
        failed.action_offer_again()
        self.assertEqual(self.open_to(self.manager), [failed.id, waiting.id])
        self.assertEqual(self.open_to(self.a), waiting.ids)

    def test_left_out(self):
        other = self.other
        self.configure("res.partner.category")
        self.a.webhook_scope = "some"
        self.a.webhook_model_ids = self.env["ir.model"]._get("res.partner")
        self.confirm(user=self.a)
        consumer = self.consumer(self.a)
        self.assertIn("Other Ltd", consumer.left_out)
        self.assertIn("Contact Tag", consumer.left_out.replace("Partner Tags", "Contact Tag"))
        self.assertIn("Contact", consumer.sees)
        wire = self.env["webhook.consumer"]._wire(self.a)
        self.assertEqual(wire["left_out"]["companies"], [{"id": other.id, "name": "Other Ltd"}])
        self.assertEqual(wire["left_out"]["models"], ["res.partner.category"])
        self.assertEqual(wire["models"], ["res.partner"])


@tagged("post_install", "-at_install")
class TestConfirmingSubscribers(DeliveryCase):
    """A subscriber that confirms on delivery takes no event from a receiver."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["webhook.consumer"].with_context(active_test=False).search([]).unlink()
        cls.receiver = cls.webhook_user("receiver")
        cls.newcomer = cls.webhook_user("consumer", "newcomer")
        cls.other = cls.env["res.company"].create({"name": "Other"})

    def setUp(self):
        super().setUp()
        self.forget()

    def test_an_event_is_processed_when_both_have_it(self):
        for delivered_first in (True, False):
            with self.subTest(delivered_first=delivered_first):
                _sink, _subscriber = self.sink(confirm_on_delivery=True)
                event = self.events(self.partners(1))
                steps = [self.deliver, lambda event=event: self.confirm([event.id])]
                for step in steps if delivered_first else reversed(steps):
                    self.assertFalse(event.is_processed)
                    step()
                    self.env.invalidate_all()
                self.assertTrue(event.is_processed)
                _subscriber.active = False

    def test_a_dead_or_cancelled_delivery_is_given_up(self):
        _sink, subscriber = self.sink(confirm_on_delivery=True)
        event = self.events(self.partners(1))
        self.confirm([event.id])
        self.assertFalse(event.is_processed)
        self.env["webhook.delivery"].search([("event_id", "=", event.id)]).action_cancel()
        self.env.invalidate_all()
        self.assertTrue(event.is_processed)
        self.assertEqual(self.consumer_of(subscriber).given_up, 0)

    def test_either_the_endpoint_confirms_or_a_user(self):
        _sink, subscriber = self.sink(confirm_on_delivery=True)
        with self.assertRaises(ValidationError):
            subscriber.receiver_user_id = self.receiver
        url = "https://bridgecore.example.com/api/v1/webhooks/receive"
        subscriber = self.env["webhook.subscriber"].create(
            {"name": "B", "url": url, "receiver_user_id": self.receiver.id}
        )
        subscriber.confirm_on_delivery = True
        self.assertFalse(subscriber.receiver_user_id)

    def test_what_another_receiver_gave_up_is_pushed(self):
        """In the order of the record: an event without push goes before the next one with."""
        self.config.instant_send = False
        self.env.ref("auto_webhook_odoo.group_webhook_receiver").user_ids |= self.newcomer
        self.note_members()
        event = self.events(partner := self.partners(1))
        self.confirm(failed={event.id: "x"}, user=self.receiver)
        mine, _subscriber = self.sink(receiver_user_id=self.receiver.id)
        other, _subscriber = self.sink(receiver_user_id=self.newcomer.id)
        self.config.instant_send = True
        self.next_transaction()
        partner.city = "Rome"
        self.deliver()
        self.assertEqual([e["event"] for e in other.events], ["create", "write"])
        self.assertEqual([e["event"] for e in mine.events], ["write"])

    def consumer_of(self, subscriber):
        return self.env["webhook.consumer"].search([("subscriber_id", "=", subscriber.id)])

    def test_an_archived_subscriber_holds_nothing_back(self):
        _sink, subscriber = self.sink(confirm_on_delivery=True)
        event = self.events(self.partners(1))
        self.confirm([event.id])
        subscriber.active = False
        self.env.cr.flush()
        with self.enter_registry_test_mode():
            self.env["webhook.consumer"]._cron_release()
        self.env.invalidate_all()
        self.assertTrue(event.is_processed)

    def test_it_is_listed_with_what_waits(self):
        _sink, subscriber = self.sink(confirm_on_delivery=True)
        self.partners(2)
        self.env.cr.flush()
        consumer = self.consumer_of(subscriber)
        self.assertEqual((consumer.unconfirmed, consumer.last_confirmation), (2, False))
        self.assertFalse(consumer.sees or consumer.left_out)
        self.deliver()
        self.assertEqual((consumer.unconfirmed, consumer.lag), (0, 0))
        self.assertTrue(consumer.last_confirmation)
        with self.assertRaises(ValidationError):
            self.consumer_of(subscriber).action_skip()

    def test_a_receiver_gets_pushed_only_what_its_user_may_see(self):
        """Otherwise it could never confirm the event."""
        sink, subscriber = self.sink(receiver_user_id=self.receiver.id)
        theirs = self.env["res.partner"].create({"name": "Theirs", "company_id": self.other.id})
        self.next_transaction()
        ours = self.env["res.partner"].create({"name": "Ours"})
        self.env.cr.flush()
        self.deliver()
        self.assertEqual([event["record_id"] for event in sink.events], ours.ids)
        self.assertFalse(self.events(theirs).delivery_ids)
        self.assertIn("Other", subscriber.left_out)

    def test_linking_a_receiver_loses_nothing_that_waits_for_the_endpoint(self):
        """Its user is a new consumer, and others have confirmed the events meanwhile."""
        self.confirm()
        sink, subscriber = self.sink()
        event = self.events(self.partners(1))
        self.confirm([event.id])
        self.assertTrue(event.is_processed)
        new = self.newcomer
        self.env.ref("auto_webhook_odoo.group_webhook_receiver").user_ids |= new
        subscriber.receiver_user_id = new
        self.env.invalidate_all()
        self.assertFalse(event.is_processed)
        self.deliver()
        self.assertEqual(len(sink.events), 1)
        self.confirm([event.id], user=new)
        self.env.invalidate_all()
        self.assertTrue(event.is_processed)
