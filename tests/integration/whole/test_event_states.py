"""Any sequence of pushes, pulls, attempts, losses, confirmations and new offers, compared with a
simple model."""

import itertools

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

EVENTS = range(1, 7)
#: events 1, 4 belong to one record, 2, 5 to another, …
RECORDS = 3
MAX_ATTEMPTS = 2


def test_every_event_has_one_effect_in_order_and_is_confirmed(make_parts):
    class Receiver(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.parts = make_parts(max_attempts=MAX_ATTEMPTS)
            self.failing = set()
            self.successes = []
            self.attempts = dict.fromkeys(EVENTS, 0)
            #: how often each may be tried until it succeeds
            self.allowed = dict.fromkeys(EVENTS, MAX_ATTEMPTS)
            #: failed events that Odoo offers again
            self.offered = set()
            #: what was accepted, in the order of arrival, per record
            self.accepted = {record: [] for record in range(RECORDS)}
            self.parts.registry.on()(self.handle)

        def handle(self, event):
            self.attempts[event.event_id] += 1
            if event.event_id in self.failing:
                raise LookupError
            self.successes.append(event.event_id)

        def event(self, number):
            return self.parts.event(number, record_id=number % RECORDS + 1)

        def pull_all(self, numbers):
            """Reconcile with a feed of these events; which of them are new."""
            self.parts.odoo.events = [
                self.parts.wire(n, record_id=n % RECORDS + 1) for n in sorted(numbers)
            ]
            # A duplicate may have reported the failure to Odoo meanwhile.
            seen = {*numbers} - {*self.parts.odoo.processed, *self.parts.odoo.failed}
            for number in sorted(seen & self.offered):
                self.allowed[number] = self.attempts[number] + MAX_ATTEMPTS
                self.accepted[number % RECORDS].remove(number)
                self.accepted[number % RECORDS].append(number)
            states = self.parts.states()
            new = self.parts.pulling.pull(self.parts.source, reconcile=True)
            for number in seen:
                offered = number in self.offered
                assert not offered or states[number] == "dead"
                before = "queued" if offered else states.get(number, "queued")
                assert self.parts.states()[number] == before
            self.offered -= seen
            return new

        @rule(numbers=st.lists(st.sampled_from(EVENTS), min_size=1, max_size=4))
        def push(self, numbers):
            known = set(itertools.chain(*self.accepted.values()))
            receipt = self.parts.push(*map(self.event, numbers))
            new = list(dict.fromkeys(n for n in numbers if n not in known))
            assert (receipt.accepted, receipt.duplicates) == (len(new), len(numbers) - len(new))
            for number in new:
                self.accepted[number % RECORDS].append(number)

        @rule(numbers=st.sets(st.sampled_from(EVENTS), min_size=1))
        def pull(self, numbers):
            known = set(itertools.chain(*self.accepted.values()))
            new = sorted(numbers - known)
            for number in new:
                self.accepted[number % RECORDS].append(number)
            assert self.pull_all(numbers) == len(new)

        @rule(number=st.sampled_from(EVENTS))
        def offer_again(self, number):
            if number in self.parts.odoo.failed:
                self.parts.odoo.offer_again(number)
                self.offered.add(number)

        @rule(number=st.sampled_from(EVENTS))
        def begin_to_fail(self, number):
            self.failing.add(number)

        @rule(number=st.sampled_from(EVENTS))
        def stop_failing(self, number):
            self.failing.discard(number)

        @rule()
        def lose_messages(self):
            self.parts.messages.sent.clear()

        @rule()
        def deliver_one(self):
            if self.parts.messages.sent:
                kind, content = self.parts.messages.sent.popleft()
                if kind == "handle":
                    self.parts.runner.run(*content)
                else:
                    self.parts.confirming.confirm(content)

        @rule()
        def deliver_all(self):
            self.parts.deliver()

        @invariant()
        def effects_are_single_and_in_order(self):
            assert len(self.successes) == len(set(self.successes))
            for numbers in self.accepted.values():
                done = [n for n in self.successes if n in numbers]
                assert done == [n for n in numbers if n in done]
            assert all(self.attempts[n] <= self.allowed[n] for n in EVENTS)

        @invariant()
        def only_results_are_confirmed(self):
            assert set(self.parts.odoo.processed) <= set(self.successes)
            assert not set(self.parts.odoo.failed) & set(self.successes)

        def teardown(self):
            # Whatever was lost: once every event is pushed again, each gets its result.
            accepted = list(itertools.chain(*self.accepted.values()))
            if accepted:
                self.parts.push(*map(self.event, accepted))
                self.parts.deliver()
                self.parts.confirming.confirm(self.parts.source)
            self.effects_are_single_and_in_order()
            confirmed = {*self.parts.odoo.processed, *self.parts.odoo.failed}
            assert confirmed == set(accepted)
            assert {*self.parts.states().values()} <= {"confirmed", "dead"}
            # Failed events that Odoo offers again succeed now.
            self.failing.clear()
            for number in sorted(self.parts.odoo.failed):
                self.offer_again(number)
            self.pull_all(accepted)
            self.parts.deliver()
            self.effects_are_single_and_in_order()
            assert {*self.successes} == {*self.parts.odoo.processed} == set(accepted)
            assert {*self.parts.states().values()} <= {"confirmed"}
            assert self.parts.storage.redis.zcard(self.parts.key("queued")) == 0
            self.parts.storage.close()

    run_state_machine_as_test(
        Receiver,
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
