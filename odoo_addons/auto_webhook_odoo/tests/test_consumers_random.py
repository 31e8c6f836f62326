"""Random work of several consumers: each gets what simple bookkeeping says, and nothing else."""

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from odoo.fields import Command
from odoo.sql_db import Savepoint
from odoo.tests import tagged

from .common import WebhookCase

MODELS = ("res.partner", "res.partner.category")
SETTLED = ("delivered", "dead", "cancelled")

_WHO = st.integers(0, 3)
_PLACES = st.lists(st.integers(0, 5), min_size=1, max_size=4)
_STEPS = st.one_of(
    st.tuples(st.just("make"), st.integers(0, 2), st.sampled_from(MODELS), st.booleans()),
    st.tuples(st.just("make"), st.integers(0, 2), st.sampled_from(MODELS), st.booleans()),
    st.tuples(st.just("report"), _WHO, _PLACES, st.just([])),
    st.tuples(st.just("report"), _WHO, _PLACES, _PLACES),
    st.tuples(st.just("report"), _WHO, st.just([]), _PLACES),
    st.tuples(st.just("pull"), _WHO),
    st.tuples(st.just("pull"), _WHO),
    st.tuples(st.just("offer_again"), _PLACES),
    st.tuples(st.just("skip"), _WHO),
    st.tuples(st.just("start_over"), _WHO),
    st.tuples(st.just("archive"), _WHO),
    st.tuples(st.just("leave_or_join"), _WHO),
    st.tuples(st.just("restrict"), _WHO, st.booleans(), st.booleans()),
    st.tuples(st.just("settle"), _PLACES, st.sampled_from(SETTLED)),
    st.tuples(st.just("delete"), _PLACES),
    st.tuples(st.just("release")),
    st.tuples(st.just("count_anew")),
)


class Receiver:
    """What is known of a consumer that is a user."""

    def __init__(self, user, is_member):
        self.user, self.is_member, self.is_consumer = user, is_member, is_member
        self.is_active = True
        self.sees_all_models = self.sees_all_companies = True

    @property
    def counts(self):
        return self.is_consumer and self.is_member and self.is_active


class Event:
    """What is known of an event."""

    def __init__(self, company, model, delivery):
        self.company, self.model, self.delivery = company, model, delivery
        self.is_processed = False
        self.done = {}  # {receiver: "confirmed" or "failed"}

    def is_seen_by(self, receiver):
        return (receiver.sees_all_companies or self.company != 2) and (
            receiver.sees_all_models or self.model == MODELS[0]
        )

    def is_open_to(self, receiver):
        return not self.is_processed and self.is_seen_by(receiver) and receiver not in self.done

    def failed_by(self):
        return {receiver for receiver, how in self.done.items() if how == "failed"}


class Work:
    """Performs steps on the database and on the bookkeeping alike."""

    def __init__(self, case):
        self.case, self.env = case, case.env
        self.receivers = [Receiver(user, True) for user in case.users[:3]]
        self.receivers.append(Receiver(case.users[3], False))
        self.events = {}  # {id: Event}, in the order of the feed
        self.consumers = self.env["webhook.consumer"].with_context(active_test=False)

    def consumer(self, receiver):
        return self.consumers.search([("user_id", "=", receiver.user.id)])

    def ids(self, places):
        ids = sorted(self.events)
        return sorted({ids[place % len(ids)] for place in places}) if ids else []

    # The bookkeeping

    def _process(self, event_ids, but=None):
        """Mark those events as processed that no other consumer holds back."""
        for event_id in event_ids:
            event = self.events[event_id]
            holding = [r for r in self.receivers if r.counts and event.is_open_to(r) and r != but]
            if not holding and event.delivery != "pending":
                event.is_processed = True

    def _finish(self, receiver, event_ids, how):
        done = []
        for event_id in event_ids:
            event = self.events[event_id]
            known = event.done.get(receiver)
            if how == "confirmed":
                if known or not event.is_processed:
                    event.done[receiver] = how
                done.append(event_id)
            elif known == "failed" or not (known or event.is_processed):
                event.done[receiver] = how
                done.append(event_id)
        self._process(done, receiver)

    def _reopen(self, event, receivers):
        if event.is_processed:
            for other in self.receivers:
                if other.is_consumer:
                    event.done.setdefault(other, "confirmed")
        event.is_processed = False
        for receiver in receivers:
            event.done.pop(receiver, None)

    # The steps

    def make(self, company, model, is_delivered):
        companies = [None, self.case.company.id, self.case.other.id]
        event_id = self.case.insert_event(companies[company], model, is_delivered)
        self.events[event_id] = Event(company, model, "pending" if is_delivered else None)

    def report(self, who, confirmed, failed):
        receiver = self.receivers[who]
        if not receiver.is_member:
            return
        confirmed, failed = self.ids(confirmed), self.ids(failed)
        count, unknown = self.case.confirm(confirmed, dict.fromkeys(failed, "x"), receiver.user)
        seen = {i for i in (*confirmed, *failed) if self.events[i].is_seen_by(receiver)}
        expected = len(seen.intersection(confirmed)), sorted({*confirmed, *failed} - seen)
        self.case.assertEqual((count, unknown), expected)
        self._finish(receiver, seen.intersection(confirmed), "confirmed")
        self._finish(receiver, seen.intersection(failed).difference(confirmed), "failed")

    def pull(self, who):
        receiver = self.receivers[who]
        if receiver.is_member:
            events = self.env["update.webhook"].with_user(receiver.user)
            page = events.pull_events(0, 100, include_processed=False)
            expected = [i for i, event in self.events.items() if event.is_open_to(receiver)]
            self.case.assertEqual([event["id"] for event in page["events"]], expected)

    def offer_again(self, places):
        ids = self.ids(places)
        self.env["update.webhook"].browse(ids).action_offer_again()
        for event_id in ids:
            event = self.events[event_id]
            if failed_by := event.failed_by():
                self._reopen(event, failed_by)

    def skip(self, who):
        receiver = self.receivers[who]
        self.consumer(receiver).action_skip()
        self._skip(receiver)

    def _skip(self, receiver):
        if receiver.is_consumer:
            waiting = [i for i, event in self.events.items() if event.is_open_to(receiver)]
            self._finish(receiver, waiting, "confirmed")

    def start_over(self, who):
        receiver = self.receivers[who]
        self.consumer(receiver).action_start_over()
        for event in self.events.values():
            if receiver.is_consumer and event.is_seen_by(receiver):
                self._reopen(event, [receiver])

    def archive(self, who):
        """Archive a consumer, or bring it back."""
        receiver = self.receivers[who]
        receiver.is_active = not receiver.is_active
        self.consumer(receiver).active = receiver.is_active
        if not receiver.is_consumer:
            receiver.is_active = True

    def leave_or_join(self, who):
        receiver = self.receivers[who]
        receiver.is_member = not receiver.is_member
        command = Command.link if receiver.is_member else Command.unlink
        self.case.group.write({"user_ids": [command(receiver.user.id)]})
        self.env.flush_all()
        self.consumers._add_members()  # as after the commit
        if receiver.is_member and not receiver.is_consumer:
            receiver.is_consumer = True
            self._skip(receiver)

    def restrict(self, who, all_models, all_companies):
        receiver = self.receivers[who]
        receiver.sees_all_models, receiver.sees_all_companies = all_models, all_companies
        companies = self.case.company | (self.case.other if all_companies else self.case.company)
        receiver.user.write(
            {
                "company_ids": [Command.set(companies.ids)],
                "webhook_scope": "all" if all_models else "some",
            }
        )

    def settle(self, places, state):
        ids = [i for i in self.ids(places) if self.events[i].delivery == "pending"]
        deliveries = self.env["webhook.delivery"].search([("event_id", "in", ids)])
        deliveries.state = state
        deliveries.flush_recordset()
        deliveries._settle_events()
        for event_id in ids:
            self.events[event_id].delivery = state
        self._process(ids)

    def delete(self, places):
        ids = self.ids(places)[:1]
        self.env["update.webhook"].browse(ids).unlink()
        for event_id in ids:
            del self.events[event_id]

    def release(self):
        self.consumers._cron_release()
        self._process(i for i, e in self.events.items() if e.done or e.delivery in SETTLED)

    def count_anew(self):
        self.env["webhook.feed.position"]._assign_pending()
        self.env["webhook.tally"]._count_anew()

    def check(self):
        """Compare everything with the bookkeeping."""
        self.env.flush_all()
        self.env.invalidate_all()
        events = self.env["update.webhook"].search([("id", "in", list(self.events))], order="id")
        self.case.assertEqual(
            [(event.id, event.is_processed, bool(event.failed_at)) for event in events],
            [(i, e.is_processed, bool(e.failed_by())) for i, e in self.events.items()],
        )
        for who, receiver in enumerate(self.receivers):
            self.pull(who)
            if receiver.is_consumer:
                consumer = self.consumer(receiver)
                expected = (
                    sum(event.is_open_to(receiver) for event in self.events.values()),
                    sum(receiver in event.failed_by() for event in self.events.values()),
                )
                self.case.assertEqual((consumer.unconfirmed, consumer.given_up), expected)


@tagged("post_install", "-at_install")
class TestConsumersProperties(WebhookCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.maxDiff = None
        cls.consumers = cls.env["webhook.consumer"].with_context(active_test=False)
        cls.consumers.search([]).unlink()
        cls.env["webhook.subscriber"].search([]).active = False
        cls.group = cls.env.ref("auto_webhook_odoo.group_webhook_receiver")
        cls.group.user_ids = False
        cls.company = cls.env.company
        cls.other = cls.env["res.company"].create({"name": "Other"})
        cls.users = [cls.webhook_user("receiver", f"receiver {name}") for name in "abc"]
        cls.users.append(cls.webhook_user("consumer", "newcomer"))
        partners = cls.env["ir.model"]._get(MODELS[0])
        for user in cls.users:
            user.write(
                {"company_ids": [Command.link(cls.other.id)], "webhook_model_ids": partners.ids}
            )
        cls.subscriber = cls.env["webhook.subscriber"].create(
            {"name": "S", "url": "https://example.com/hook", "confirm_on_delivery": True}
        )

    @settings(
        max_examples=40, phases=[Phase.generate], deadline=None, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    )  # fmt: skip
    @given(st.lists(_STEPS, min_size=5, max_size=30))
    def test_each_consumer_gets_exactly_what_is_its_own(self, steps):
        self._perform(steps)

    def insert_event(self, company_id, model, is_delivered):
        """Write an event as a transaction of its own would."""
        self.env.cr.execute(
            """
            WITH event AS (
                INSERT INTO update_webhook (
                    model, record_id, event, payload, priority, category, timestamp, company_id
                )
                VALUES (%s, 1, 'write', '{}', 'high', 'business', now() at time zone 'UTC', %s)
                RETURNING id, model, record_id, timestamp
            ),
            pending AS (INSERT INTO webhook_feed_pending (id) SELECT id FROM event),
            delivery AS (
                INSERT INTO webhook_delivery (
                    event_id, subscriber_id, model, record_id, attempts, next_attempt_at, state
                )
                SELECT id, %s, model, record_id, 0, timestamp, 'pending' FROM event WHERE %s
            )
            SELECT id FROM event
            """,
            [model, company_id, self.subscriber.id, is_delivered],
        )
        return self.env.cr.fetchone()[0]

    def _perform(self, steps):
        """Perform steps, then undo them."""
        self.forget()
        with self.enter_registry_test_mode():
            outermost = Savepoint(self.env.cr)
            try:
                work = Work(self)
                for name, *arguments in steps:
                    getattr(work, name)(*arguments)
                    self.env.flush_all()
                work.check()
                work.release()
                work.count_anew()
                work.check()
            finally:
                self.env.cr.clear()
                self.env.cr.postcommit.clear()
                outermost.close(rollback=True)
