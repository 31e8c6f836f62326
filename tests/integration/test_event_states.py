"""Any sequence of pushes, attempts, losses and acknowledgements against a simple model."""

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

        @rule(numbers=st.lists(st.sampled_from(EVENTS), min_size=1, max_size=4))
        def push(self, numbers):
            known = set(itertools.chain(*self.accepted.values()))
            receipt = self.parts.push(*map(self.event, numbers))
            new = list(dict.fromkeys(n for n in numbers if n not in known))
            assert (receipt.accepted, receipt.duplicates) == (len(new), len(numbers) - len(new))
            for number in new:
                self.accepted[number % RECORDS].append(number)

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
                if kind == "process":
                    self.parts.processing.process(*content)
                else:
                    self.parts.acknowledging.acknowledge(content)

        @rule()
        def deliver_all(self):
            self.parts.deliver()

        @invariant()
        def effects_are_single_and_in_order(self):
            assert len(self.successes) == len(set(self.successes))
            for numbers in self.accepted.values():
                done = [n for n in self.successes if n in numbers]
                assert done == [n for n in numbers if n in done]
            assert all(count <= MAX_ATTEMPTS for count in self.attempts.values())

        @invariant()
        def only_outcomes_are_told(self):
            assert set(self.parts.odoo.processed) <= set(self.successes)
            assert not set(self.parts.odoo.failed) & set(self.successes)

        def teardown(self):
            # Whatever was lost: once everything is sent again, all comes to its end.
            accepted = list(itertools.chain(*self.accepted.values()))
            if accepted:
                self.parts.push(*map(self.event, accepted))
                self.parts.deliver()
                self.parts.acknowledging.acknowledge(self.parts.source)
            self.effects_are_single_and_in_order()
            told = {*self.parts.odoo.processed, *self.parts.odoo.failed}
            assert told == set(accepted)
            assert {*self.parts.states().values()} <= {"confirmed", "dead"}
            assert int(self.parts.storage.redis.get(self.parts.key("waiting")) or 0) == 0
            self.parts.storage.redis.close()

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
