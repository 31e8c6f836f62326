"""API, worker and beat as processes of their own: events are pushed, pulled, handled, confirmed."""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from bridgecore.storage import Storage

from devstack.receiver import Receiver
from tests.integration.fake_odoo import Feed, wire
from tests.support import eventually

SOURCES = [f"source-{number}" for number in range(10)]


@dataclass
class Odoo:
    """One source, seen from both its sides."""

    feed: Feed
    receiver: Receiver
    redis: Any
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def event(self, record_id: int = 1, **payload: Any) -> dict[str, Any]:
        number = next(self.ids)
        priority = "high" if number % 2 else "low"
        return wire(number, record_id, model="test.model", priority=priority, payload=payload)

    def push(self, *events: dict[str, Any]) -> dict[str, Any]:
        response = requests.post(
            self.receiver.push_url,
            json={"events": events},
            headers={"Authorization": f"Bearer token-of-{self.feed.source}"},
            timeout=10,
        )
        response.raise_for_status()
        return response.json()

    def effects(self) -> list[int]:
        """Ids of the events whose handlers all ran, in that order."""
        return [int(n) for n in self.redis.lrange(f"effects:{self.feed.source}", 0, -1)]

    def wait_until_confirmed(self, *events: dict[str, Any]) -> None:
        """Wait until Odoo knows the results of these events."""
        ids = {event["id"] for event in events}
        eventually(lambda: ids <= {*self.feed.processed, *self.feed.failed})


@pytest.fixture(scope="module")
def receiver(redis_url, odoo) -> Iterator[Receiver]:
    sources = [odoo.feed(source).setting(f"token-of-{source}") for source in SOURCES]
    settings = {
        "SOURCES": json.dumps(sources),
        "HANDLERS": "tests.integration.behaving_handlers",
        "PULL_INTERVAL": "1",
        "RECONCILE_INTERVAL": "2",
        "WAKE_INTERVAL": "0.5",
        "LEASE": "1",
        "RETRY_BASE": "0.1",
        "MAX_ATTEMPTS": "3",
    }
    made = Receiver(redis_url, {f"BRIDGECORE_{name}": value for name, value in settings.items()})
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def unused() -> Iterator[str]:
    """Sources that no test has used."""
    return iter(SOURCES)


@pytest.fixture
def source(receiver, unused, odoo, make_parts) -> Odoo:
    storage: Storage = make_parts().storage
    feed = odoo.feed(next(unused))
    # before that, pushes are refused
    eventually(lambda: storage.feeds.health(feed.source).read_at)
    return Odoo(feed, receiver, storage.redis)


def test_a_pushed_event_is_handled_and_confirmed(source):
    event = source.event()
    assert source.push(event) == {"success": True, "accepted": 1, "duplicates": 0}
    source.wait_until_confirmed(event)
    assert source.effects() == source.feed.processed == [event["id"]]
    listed = eventually(
        lambda: [
            listed
            for listed in source.receiver.events()
            if listed["source"] == source.feed.source and listed["state"] == "confirmed"
        ]
    )
    assert [e["via"] for e in listed] == ["push"]


def test_events_are_pulled_without_any_push(source):
    source.feed.events = [source.event(record_id=n) for n in range(1, 1001)]  # two pages
    source.wait_until_confirmed(*source.feed.events)
    assert sorted(source.effects()) == [event["id"] for event in source.feed.events]


def test_the_same_events_pushed_by_many_and_pulled_have_one_effect(source):
    source.feed.events = [source.event(record_id=n % 7 + 1) for n in range(50)]
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: source.push(*source.feed.events), range(8)))
    assert sum(answer["accepted"] for answer in answers) <= 50
    source.wait_until_confirmed(*source.feed.events)
    source.push(*source.feed.events)
    assert sorted(source.effects()) == [event["id"] for event in source.feed.events]


def test_the_events_of_every_record_are_handled_in_order(source):
    events = [source.event(record_id=n % 10 + 1) for n in range(300)]
    for start in range(0, 300, 20):
        source.push(*events[start : start + 20])
    source.wait_until_confirmed(*events)

    effects = source.effects()
    assert len(effects) == 300
    for record in range(10):
        ids = [event["id"] for event in events if event["record_id"] == record + 1]
        assert [n for n in effects if n in ids] == ids


def test_an_event_that_fails_for_a_while_keeps_its_record_in_order(source):
    events = [source.event(fail=2), source.event(), source.event(record_id=2)]
    source.push(*events)
    source.wait_until_confirmed(*events)
    first, second, other = (event["id"] for event in events)
    effects = source.effects()
    # The second handler of the failing event ran at its first attempt, and only then.
    assert effects.index(first) < effects.index(second)
    assert sorted(effects) == [first, second, other]
    assert source.feed.failed == {}


def test_an_event_that_keeps_failing_is_reported_and_later_ones_go_on(source):
    events = [source.event(), source.event(fail=100), source.event()]
    source.push(*events)
    source.wait_until_confirmed(*events)
    (reported,) = source.feed.failed.items()
    assert reported[0] == events[1]["id"]
    assert reported[1].startswith("LookupError: call 3 (tests.integration.behaving_handlers.")
    assert source.feed.processed == [events[0]["id"], events[2]["id"]]


def test_a_worker_that_is_killed_inside_a_handler_loses_nothing(source):
    events = [source.event(), source.event(kill=1), source.event()]
    source.push(*events)
    source.wait_until_confirmed(*events)
    assert source.effects() == [event["id"] for event in events]


def test_events_accepted_while_no_worker_runs_are_handled_later(source):
    source.receiver.stop("worker")
    events = [source.event(record_id=n) for n in (1, 1, 2)]
    source.push(*events)
    assert source.effects() == []

    source.receiver.start("worker")
    source.wait_until_confirmed(*events)
    assert sorted(source.effects()) == [event["id"] for event in events]


def test_messages_that_the_broker_lost_are_sent_again(source):
    source.receiver.stop("worker")
    event = source.event()
    source.push(event)
    for key in source.redis.scan_iter("bridgecore:broker:*"):
        source.redis.delete(key)

    source.receiver.start("worker")
    source.wait_until_confirmed(event)
    assert source.effects() == [event["id"]]


def test_a_lost_confirmation_is_healed_by_reconciliation(source):
    source.feed.events = [source.event()]
    source.wait_until_confirmed(*source.feed.events)
    source.feed.processed.clear()
    source.wait_until_confirmed(*source.feed.events)
    assert source.effects() == [source.feed.events[0]["id"]]
