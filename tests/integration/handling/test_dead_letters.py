"""Events that were given up are replayed or discarded by hand."""

import pytest

from tests.integration.batching import latest
from tests.integration.failing import Broken, reported
from tests.integration.parts import Parts

PATH = "/api/v1/dead-letters"


@pytest.fixture
def parts(two_dead_letters) -> Parts:
    return two_dead_letters


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        ({"keys": ["1@2026-01-31T12:00:00.000001Z"]}, [1]),
        ({"model": "sale.order"}, [2]),
        ({"all": True}, [1, 2]),
        ({"keys": ["9@2026-01-31T12:00:00.000001Z"]}, []),
    ],
    ids=["keys", "model", "all", "unknown"],
)
def test_replaying_calls_the_handlers_that_failed(parts, admin, broken, selection, ids):
    broken.mended = True
    done = admin.post(f"{PATH}/replay", json=selection).json()["keys"]
    assert [int(key.partition("@")[0]) for key in done] == ids
    parts.deliver()

    assert [event.event_id for event in broken.events] == ids
    assert all(event.replayed for event in broken.events)
    assert len(parts.effects) == 2  # the handler that succeeded is not called again
    assert {n for n, state in parts.states().items() if state == "confirmed"} == set(ids)
    assert sorted(parts.odoo.processed) == ids
    assert admin.get(PATH).json()["total"] == 2 - len(ids)


def test_a_replay_that_fails_ends_as_a_dead_letter_again(parts, admin, broken):
    admin.post(f"{PATH}/replay", json={"all": True})
    parts.deliver()
    assert len(broken.events) == 4  # as many attempts as a new event has
    assert admin.get(PATH).json()["total"] == 2
    (event,) = (e for e in admin.get(PATH).json()["dead_letters"] if e["event_id"] == 1)
    assert event["replays"] == 1


def test_a_replay_is_queued_behind_the_events_that_wait_of_its_record(parts, admin, broken):
    broken.mended = True
    parts.push(parts.event(3))
    admin.post(f"{PATH}/replay", json={"model": "res.partner"})
    parts.deliver()
    assert [event.event_id for event in broken.events] == [3, 1]
    assert [event.replayed for event in broken.events] == [False, True]
    assert latest(parts) == {"name": "Partner 3"}


def test_two_replays_are_one(parts, admin, broken):
    broken.mended = True
    first, second = (admin.post(f"{PATH}/replay", json={"all": True}) for _ in range(2))
    assert len(first.json()["keys"]) == 2
    assert second.json()["keys"] == []
    parts.deliver()
    assert len(broken.events) == 2


def test_a_discarded_one_is_off_the_list_and_known_as_a_duplicate(parts, admin, broken):
    assert len(admin.post(f"{PATH}/discard", json={"all": True}).json()["keys"]) == 2
    assert admin.get(PATH).json()["total"] == 0
    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert broken.events == []
    assert parts.states() == {1: "discarded", 2: "discarded"}
    assert set(parts.odoo.failed) == {1, 2}
    assert parts.storage.redis.zscore(parts.key("kept"), parts.event(1).key)


def test_one_that_was_discarded_before_odoo_knew_is_still_reported_as_failed(make_parts):
    parts = make_parts(max_attempts=1)
    parts.registry.on()(Broken())
    parts.push(parts.event(1))
    parts.runner.run(parts.source, ["res.partner:1"])
    key = parts.event(1).key

    assert parts.storage.dead_letters.discard(parts.source, [key])
    assert parts.storage.redis.zscore(parts.key("kept"), key) is None
    parts.confirming.confirm(parts.source)
    assert parts.odoo.failed == {1: reported(1, 1)}
    assert parts.storage.redis.zscore(parts.key("kept"), key)


def test_a_discarded_one_that_odoo_offers_again_is_queued(parts, admin, broken):
    admin.post(f"{PATH}/discard", json={"all": True})
    broken.mended = True
    parts.odoo.events = [parts.wire(1)]
    parts.odoo.offer_again(1)
    parts.pulling.pull(parts.source, reconcile=True)
    parts.deliver()
    assert parts.odoo.processed == [1]
