"""Whose fault a failure is: by example, and for endpoints that fail at random."""

import collections
import contextlib
import dataclasses
import itertools
import json
import math
import statistics
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import SUPERUSER_ID, api, fields
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged

from ..delivery import dispatcher
from ..delivery.blame import MOST_SUSPECTS, Evidence
from ..delivery.database import Database
from ..delivery.transport import Outcome

_TIMEOUT, _ATTEMPTS, _LONGEST_WAIT = 4, 3, 600

#: Ways in which a model endpoint fails. The last one is for the endpoint only: an event that is not
#: sent cannot be the reason.
_FAILURES = {
    **{str(status): Outcome(False, status=status, error="") for status in (302, 404, 422, 502)},
    "timeout": Outcome(False, error="", timed_out=True),
    "dropped": Outcome(False, error=""),
    "asks for a pause": Outcome(False, status=429, error="", retry_after=7),
    "unreachable": Outcome(False, error="", unsent=True),
}
_OF_EVENTS = [name for name in _FAILURES if name != "unreachable"]


class ModelEndpoint:
    """An endpoint in a world with a clock of its own.

    :param dict bad: ``{record id: failure}``; the endpoint never accepts events of these records
    :param list outages: ``(begin, end, failure)``
    """

    def __init__(self, bad, outages=()):
        self.bad, self.outages = bad, outages
        #: seconds since the beginning
        self.now = 0.0
        #: ``(time, events, failure or None, whether it was an outage)``
        self.history = []

    def post(self, _connections, endpoint, _message_id, body):
        message = json.loads(body)
        events = message.get("events", [message])
        outage = next((what for begin, end, what in self.outages if begin <= self.now < end), None)
        failure = outage or next(filter(None, map(self._refusal, events)), None)
        self.history.append((self.now, events, failure, bool(outage)))
        self.now += endpoint.timeout if failure == "timeout" else 0.01
        return _FAILURES[failure] if failure else Outcome(True, status=200)

    def _refusal(self, event):
        return self.bad.get(event["record_id"])

    @property
    def accepted(self):
        """The accepted events, in order, with the time of each."""
        return [(now, e) for now, events, failure, _ in self.history if not failure for e in events]

    def singles(self, record_id):
        """Return the history of one record's events that were sent alone."""
        return [item for item in self.history if [e["record_id"] for e in item[1]] == [record_id]]


@dataclasses.dataclass(frozen=True)
class World:
    """A random case."""

    #: (record, second in which the event is committed), ordered by time
    events: list
    bad: dict
    outages: list


@st.composite
def worlds(draw):
    times = sorted(draw(st.lists(st.integers(0, 300), min_size=1, max_size=40)))
    events = [(draw(st.integers(1, 12)), time) for time in times]
    bad = draw(st.dictionaries(st.integers(1, 12), st.sampled_from(_OF_EVENTS), max_size=8))
    outages, end = [], 0
    for _number in range(draw(st.integers(0, 2))):
        begin = end + draw(st.integers(0, 100))
        end = begin + draw(st.sampled_from([1, 10, 100, 1000, 10_000]))
        outages.append((begin, end, draw(st.sampled_from(list(_FAILURES)))))
    return World(events, bad, outages)


@tagged("post_install", "-at_install")
class TestBlame(BaseCase):
    """Commits, unlike other tests: in one transaction thousands of claims would take minutes."""

    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        self.database = Database(self.registry.db_name)
        self.addCleanup(self.database.close)

    def endpoint(self, **values):
        """Return the id of a subscriber whose endpoint is a ``ModelEndpoint``."""
        with self.env() as env:
            subscriber = env["webhook.subscriber"].create(
                {
                    "name": "Model",
                    "url": "https://example.com",
                    "timeout": _TIMEOUT,
                    "max_attempts": _ATTEMPTS,
                    "backoff_base": 1,
                    "disable_after": 0,
                    "backoff_max": _LONGEST_WAIT,
                    **values,
                }
            )
            self.addCleanup(self._delete, subscriber.id)
            return subscriber.id

    @contextlib.contextmanager
    def env(self):
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})

    def _delete(self, subscriber_id):
        with self.env() as env:
            env["update.webhook"].search([("failure", "=", f"of {subscriber_id}")]).unlink()
            subscriber = env["webhook.subscriber"].browse(subscriber_id).exists()
            subscriber.active = False
            subscriber.unlink()

    def run_until_quiet(self, subscriber_id, model, events=(), until=1_000_000):
        """Send as a lane does until nothing waits; return whether that came to be.

        The clock of the database cannot be set, so all times in the tables are moved instead.

        :param events: (record, second in which its event is committed), ordered by time
        """
        events = collections.deque(events)
        with patch.object(dispatcher, "post", model.post):
            for _round in range(5000):
                self._commit(subscriber_id, model, events)
                begun = model.now
                wait = dispatcher.deliver(self.database, subscriber_id, lambda *_settings: None)
                if wait is None and not events:
                    return True
                model.now += wait or math.inf
                if events:
                    model.now = min(model.now, max(begun, events[0][1]))
                if model.now > until:
                    return False
                self._move_times(subscriber_id, model.now - begun)
        raise AssertionError("This does not come to an end.")

    def _commit(self, subscriber_id, model, events):
        """Commit the events whose time has come."""
        now = fields.Datetime.now()
        ids = []
        while events and events[0][1] <= model.now:
            ids.append(events.popleft()[0])
        if not ids:
            return
        with self.env() as env:
            rows = env["update.webhook"].create(
                [
                    {
                        "model": "res.partner",
                        "record_id": record_id,
                        "event": "write",
                        "payload": "{}",
                        "priority": "high",
                        "category": "custom",
                        "timestamp": now,
                        "failure": f"of {subscriber_id}",
                    }
                    for record_id in ids
                ]
            )
            env["webhook.delivery"].create(
                [
                    {
                        "event_id": row.id,
                        "subscriber_id": subscriber_id,
                        "attempts": 0,
                        "model": row.model,
                        "record_id": row.record_id,
                        "next_attempt_at": now,
                    }
                    for row in rows
                ]
            )

    def _move_times(self, subscriber_id, seconds):
        moved = {
            "webhook_delivery": ("subscriber_id", ["next_attempt_at"]),
            "webhook_subscriber": (
                "id",
                ["paused_until", "failing_since", "last_failure", "last_success"],
            ),
        }
        with self.env() as env:
            for table, (owner, columns) in moved.items():
                assignments = ", ".join(
                    f"{column} = {column} - make_interval(secs => %(seconds)s)"
                    for column in columns
                )
                env.cr.execute(
                    f"UPDATE {table} SET {assignments} WHERE {owner} = %(id)s"  # noqa: S608
                    " AND state IN ('pending', 'enabled')",
                    {"seconds": seconds, "id": subscriber_id},
                )

    def deliveries(self, subscriber_id):
        """Return ``{record id: (state, attempts) of its deliveries}``."""
        found = collections.defaultdict(list)
        with self.env() as env:
            for delivery in env["webhook.delivery"].search(
                [("subscriber_id", "=", subscriber_id)], order="event_id"
            ):
                found[delivery.record_id].append((delivery.state, delivery.attempts))
        return found

    def values(self, subscriber_id, *names):
        with self.env() as env:
            subscriber = env["webhook.subscriber"].browse(subscriber_id)
            return [subscriber[name] for name in names]

    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(worlds())
    def test_good_events_arrive_bad_ones_end_and_the_order_holds(self, world):
        subscriber = self.endpoint()
        model = ModelEndpoint(world.bad, world.outages)
        good = {record_id for record_id, _second in world.events} - world.bad.keys()
        # Bad events alone cannot be told from an endpoint that is away. A later good one tells.
        if not self.run_until_quiet(subscriber, model, world.events, until=25_000):
            self.assertTrue(world.bad)
            good.add(99)
            later = [(99, model.now + 2000 * number) for number in range(_ATTEMPTS + 1)]
            self.assertTrue(self.run_until_quiet(subscriber, model, later))
        states = self.deliveries(subscriber)

        # no outage kills a good event; a bad one ends as dead
        for record_id, found in states.items():
            expected = "delivered" if record_id in good else "dead"
            self.assertEqual({s for s, _attempts in found}, {expected}, f"record {record_id}")

        # per record, events arrive in the order of their commits
        accepted = collections.defaultdict(list)
        for _now, event in model.accepted:
            accepted[event["record_id"]].append(event["event_id"])
        for ids in accepted.values():
            self.assertEqual(ids, sorted(set(ids)))

        # Whatever the reason of the failures, an event is sent again after others got through at
        # most so often as it may be tried, and once for each time that the endpoint was away.
        for record_id in world.bad:
            self._check_number_of_attempts(model, record_id)

        # When the endpoint is well, a good event waits for two pauses, and for two more for each
        # bad event that is probed before it.
        committed = collections.defaultdict(list)
        for record_id, second in world.events:
            committed[record_id].append(second)
        self._check_waiting_times(model, world, committed, good)

    def _check_number_of_attempts(self, model, record_id):
        attempts = collections.defaultdict(list)
        for place, (_now, events, _failure, _outage) in enumerate(model.history):
            if [event["record_id"] for event in events] == [record_id]:
                attempts[events[0]["event_id"]].append(place)
        for places in attempts.values():
            refuted = sum(
                any(not failure for _now, _events, failure, _outage in model.history[a:b])
                for a, b in itertools.pairwise(places)
            )
            away = len(model.outages) + self._rows_of_failures(model)
            self.assertLess(refuted, _ATTEMPTS + away)

    def _rows_of_failures(self, model):
        """Return how often so many events failed in a row that the endpoint counted as away."""
        row, rows = set(), 0
        for _now, events, failure, _outage in model.history:
            if not failure:
                row = set()
            elif len(events) == 1:
                row.add(events[0]["event_id"])
                rows += len(row) == MOST_SUSPECTS
        return rows

    def _check_waiting_times(self, model, world, committed, good):
        sent = collections.Counter()
        cost = sum(
            _TIMEOUT if failure == "timeout" else 0.01
            for _now, _events, failure, _outage in model.history
        )
        for now, event in model.accepted:
            record_id = event["record_id"]
            if record_id not in good or record_id == 99:
                continue
            begun = committed[record_id][sent[record_id]]
            sent[record_id] += 1
            well = max([begun, *(end for _begin, end, _what in world.outages if end <= now)])
            pauses = 2 + 2 * sum(record in world.bad for record, _second in world.events)
            longest = 1.2 * pauses * _LONGEST_WAIT + cost
            self.assertLess(now - well, longest, f"record {record_id}")

    def test_one_bad_event_slows_no_other_and_is_sent_so_often_as_it_may(self):
        for failure in _OF_EVENTS:
            with self.subTest(failure=failure):
                subscriber = self.endpoint(max_attempts=10, backoff_base=8, backoff_max=10_000)
                # between two attempts, however the jitter falls, another event gets through
                seconds = [14, 37, 80, 170, 350, 700, 1400, 2800]
                seconds += range(4000, 20_000, 1000)
                events = [*((n, 0) for n in range(301)), *((999, second) for second in seconds)]
                model = ModelEndpoint({150: failure})
                self.assertTrue(self.run_until_quiet(subscriber, model, events))
                last = max(now for now, event in model.accepted if event["record_id"] != 999)
                pauses = 80 if failure == "asks for a pause" else 0  # one for each halving
                self.assertLess(last, pauses + 20 + 10 * _TIMEOUT)
                self.assertEqual(self.deliveries(subscriber)[150], [("dead", 10)])
                sent = len(model.singles(150))
                if failure == "asks for a pause":
                    # The pauses move its attempts to where no other event comes between them.
                    self.assertLess(sent, 30)
                else:
                    self.assertEqual(sent, 10)
                self.assertEqual(self.values(subscriber, "pauses"), [0])

    def test_an_endpoint_that_fails_in_any_way_is_paused_and_no_attempt_is_used_up(self):
        for failure in _FAILURES:
            with self.subTest(failure=failure):
                subscriber = self.endpoint()
                events = [(n, 0) for n in range(200)]
                model = ModelEndpoint({}, [(0, 10_000, failure)])
                self.assertFalse(self.run_until_quiet(subscriber, model, events, until=9_000))
                found = itertools.chain(*self.deliveries(subscriber).values())
                self.assertEqual(set(found), {("pending", 0)})
                self.assertTrue(all(self.values(subscriber, "failing_since", "pauses")))
                pauses = 9_000 / _LONGEST_WAIT * 1.5
                self.assertLess(len(model.history), pauses + 20)
                self.assertTrue(self.run_until_quiet(subscriber, model))
                found = itertools.chain(*self.deliveries(subscriber).values())
                self.assertEqual({state for state, _attempts in found}, {"delivered"})

    def test_many_bad_events_do_not_pass_for_an_endpoint_that_is_away(self):
        """All events of an import are refused; now and then a good event comes."""
        subscriber = self.endpoint()
        events = [*((n, 0) for n in range(30)), *((1000 + n, 60 * n) for n in range(40))]
        model = ModelEndpoint(dict.fromkeys(range(30), "422"))
        self.assertTrue(self.run_until_quiet(subscriber, model, events))
        found = self.deliveries(subscriber)
        self.assertEqual({found[n][0][0] for n in range(30)}, {"dead"})
        for now, event in model.accepted:
            committed = 60 * (event["record_id"] - 1000)
            self.assertLess(now - committed, 2 * _LONGEST_WAIT)

    def test_outages_that_follow_each_other_kill_no_event(self):
        """The first one is long, and between them one event gets through."""
        subscriber = self.endpoint(max_attempts=10, backoff_base=5, backoff_max=3600)
        model = ModelEndpoint({}, [(0, 61_200, "502"), (61_337, 100_000, "502")])
        self.assertTrue(self.run_until_quiet(subscriber, model, [(1, 0), (2, 0)]))
        found = itertools.chain(*self.deliveries(subscriber).values())
        self.assertEqual({state for state, _attempts in found}, {"delivered"})

    def test_an_event_that_gets_through_in_the_end_proves_nothing_against_itself(self):
        subscriber = self.endpoint()
        model = ModelEndpoint({}, [(0, 100, "502")])
        self.assertTrue(self.run_until_quiet(subscriber, model, [(1, 0)]))
        self.assertEqual(self.deliveries(subscriber)[1], [("delivered", 1)])

    def test_a_crowd_of_bad_events_slows_good_ones_by_little(self):
        subscriber = self.endpoint(backoff_base=5)
        bad = dict.fromkeys(range(200), "422")
        events = [*((n, 0) for n in bad), *((1000 + n, n) for n in range(60))]
        model = ModelEndpoint(bad)
        self.run_until_quiet(subscriber, model, events, until=400)
        waits = [now - (event["record_id"] - 1000) for now, event in model.accepted]
        self.assertEqual(len(waits), 60)
        self.assertLess(statistics.median(waits), 30)

    def test_suspects_that_were_cancelled_are_none(self):
        subscriber = self.endpoint(backoff_max=3600)
        model = ModelEndpoint(dict.fromkeys([1, 2, 3, 4, 5], "404"))
        self.run_until_quiet(subscriber, model, [(n, 0) for n in (1, 2, 3, 4)], until=1)
        with self.env() as env:
            waiting = env["webhook.delivery"].search([("subscriber_id", "=", subscriber)])
            self.assertEqual(len(waiting.filtered("suspected")), 4)
            waiting.action_cancel()
        model.now = 0
        self.run_until_quiet(subscriber, model, [(5, 0), (6, 1000)], until=2000)
        [(now, event)] = model.accepted
        self.assertEqual(event["record_id"], 6)
        self.assertLess(now, 1001)

    def test_an_older_success_of_another_process_proves_nothing(self):
        subscriber = self.endpoint(max_attempts=1)
        model = ModelEndpoint({})
        self._commit(subscriber, model, collections.deque((n, 0) for n in range(8)))
        refused, accepted = _FAILURES["502"], Outcome(True, status=200)
        with self.env() as env:
            env["webhook.subscriber"].browse(subscriber).batch_limit = 4
        claims = []
        with self.env() as one, self.env() as other:
            for env in (one, other):
                claims.append(env["webhook.delivery"]._claim(subscriber))
                env.cr.commit()
        early, late = claims
        self.assertEqual([len(claim.deliveries) for claim in claims], [4, 4])
        for claim, outcomes in ((late, [refused] * 4), (early, [accepted])):
            evidence = Evidence(claim)
            for delivery, outcome in zip(claim.deliveries, outcomes, strict=False):
                evidence.note([delivery], outcome)
            with self.env() as env:
                env["webhook.delivery"]._record(claim, evidence)
        states = [state for found in self.deliveries(subscriber).values() for state in found]
        self.assertEqual(sorted(states), [("delivered", 1), *[("pending", 0)] * 7])

    def test_an_event_that_comes_after_a_bad_one_does_not_wait(self):
        subscriber = self.endpoint(backoff_max=3600)
        events = [(1, 0), (2, 1000), (3, 20_000)]
        model = ModelEndpoint({1: "404"})
        self.run_until_quiet(subscriber, model, events, until=30_000)
        for now, event in model.accepted:
            self.assertLess(now - {2: 1000, 3: 20_000}[event["record_id"]], 1)

    def test_a_batch_is_halved_until_the_culprit_is_alone(self):
        subscriber = self.endpoint()
        model = ModelEndpoint({63: "404"})
        self.run_until_quiet(subscriber, model, [(n, 0) for n in range(100)], until=0.5)
        self.assertEqual(len(model.accepted), 99)
        self.assertLess(len(model.history), 30)
