"""Events that were given up are replayed or discarded by hand."""

import pytest

from tests.integration.batching import latest
from tests.integration.parts import Parts

PATH = "/api/v1/dead-letters"


class Broken:
    """A handler that fails until it is mended."""

    __module__ = "tests"

    def __init__(self):
        self.__qualname__ = "broken"
        self.mended, self.events = False, []

    def __call__(self, event):
        self.events.append(event)
        if not self.mended:
            raise LookupError(f"no {event.event_id}")


@pytest.fixture
def handler():
    return Broken()


@pytest.fixture
def parts(make_parts, handler) -> Parts:
    """A receiver that has given up two events of different models."""
    parts = make_parts(max_attempts=2)
    parts.record_effects()
    parts.registry.on()(handler)
    parts.push(parts.event(1), parts.event(2, record_id=2, model="sale.order"))
    parts.deliver()
    assert set(parts.odoo.failed) == {1, 2}
    handler.events.clear()
    return parts


def test_they_are_listed_newest_first_with_their_traceback(parts, admin):
    answer = admin.get(PATH).json()
    assert answer["total"] == 2
    newest, oldest = answer["dead_letters"]
    assert (newest["event_id"], oldest["event_id"]) == (2, 1)
    assert oldest["error"].startswith("Traceback")
    assert "LookupError: no 1" in oldest["error"]
    assert oldest["handled_by"] == ["tests.integration.parts.Parts._record"]
    assert oldest["payload"] == {"name": "Partner 1"}


@pytest.mark.parametrize(
    ("query", "ids", "total"),
    [({"limit": 1}, [2], 2), ({"model": "sale.*"}, [2], 1), ({"model": "x"}, [], 0)],
)
def test_they_are_found_by_model(parts, admin, query, ids, total):
    answer = admin.get(PATH, params=query).json()
    assert [event["event_id"] for event in answer["dead_letters"]] == ids
    assert answer["total"] == total


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
def test_replaying_calls_the_handlers_that_failed(parts, admin, handler, selection, ids):
    handler.mended = True
    done = admin.post(f"{PATH}/replay", json=selection).json()["keys"]
    assert [int(key.partition("@")[0]) for key in done] == ids
    parts.deliver()

    assert [event.event_id for event in handler.events] == ids
    assert all(event.replayed for event in handler.events)
    assert len(parts.effects) == 2  # the handler that succeeded is not called again
    assert {n for n, state in parts.states().items() if state == "confirmed"} == set(ids)
    assert sorted(parts.odoo.processed) == ids
    assert admin.get(PATH).json()["total"] == 2 - len(ids)


def test_a_replay_that_fails_ends_as_a_dead_letter_again(parts, admin, handler):
    admin.post(f"{PATH}/replay", json={"all": True})
    parts.deliver()
    assert len(handler.events) == 4  # as many attempts as a new event has
    assert admin.get(PATH).json()["total"] == 2
    (event,) = (e for e in admin.get(PATH).json()["dead_letters"] if e["event_id"] == 1)
    assert event["replays"] == 1


def test_a_replay_is_queued_behind_what_waits_of_its_record(parts, admin, handler):
    handler.mended = True
    parts.push(parts.event(3))
    admin.post(f"{PATH}/replay", json={"model": "res.partner"})
    parts.deliver()
    assert [event.event_id for event in handler.events] == [3, 1]
    assert [event.replayed for event in handler.events] == [False, True]
    assert latest(parts) == {"name": "Partner 3"}


def test_two_replays_are_one(parts, admin, handler):
    handler.mended = True
    first, second = (admin.post(f"{PATH}/replay", json={"all": True}) for _ in range(2))
    assert len(first.json()["keys"]) == 2
    assert second.json()["keys"] == []
    parts.deliver()
    assert len(handler.events) == 2


def test_a_discarded_one_is_off_the_list_and_known_as_a_duplicate(parts, admin, handler):
    assert len(admin.post(f"{PATH}/discard", json={"all": True}).json()["keys"]) == 2
    assert admin.get(PATH).json()["total"] == 0
    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert handler.events == []
    assert parts.states() == {1: "discarded", 2: "discarded"}
    assert set(parts.odoo.failed) == {1, 2}
    assert parts.storage.redis.zscore(parts.key("kept"), parts.event(1).key)


def test_one_that_was_discarded_before_odoo_knew_is_still_told_as_failed(make_parts):
    parts = make_parts(max_attempts=1)
    parts.registry.on()(Broken())
    parts.push(parts.event(1))
    parts.runner.run(parts.source, ["res.partner:1"])
    key = parts.event(1).key

    assert parts.storage.dead_letters.discard(parts.source, [key])
    assert parts.storage.redis.zscore(parts.key("kept"), key) is None
    parts.confirming.confirm(parts.source)
    assert parts.odoo.failed == {1: "LookupError: no 1"}
    assert parts.storage.redis.zscore(parts.key("kept"), key)


def test_a_discarded_one_that_odoo_offers_again_is_queued(parts, admin, handler):
    admin.post(f"{PATH}/discard", json={"all": True})
    handler.mended = True
    parts.odoo.events = [parts.wire(1)]
    parts.odoo.offer_again(1)
    parts.pulling.pull(parts.source, reconcile=True)
    parts.deliver()
    assert parts.odoo.processed == [1]


@pytest.mark.parametrize("what", ["replay", "discard"])
def test_keys_that_are_no_dead_letters_are_named(parts, admin, what):
    dead, unknown = parts.event(1).key, parts.event(9).key
    first, second = (
        admin.post(f"{PATH}/{what}", json={"keys": [unknown, dead]}).json() for _ in range(2)
    )
    assert (first["keys"], first["not_dead"]) == ([dead], [unknown])
    assert (second["keys"], second["not_dead"]) == ([], [unknown, dead])


@pytest.mark.parametrize("what", ["replay", "discard"])
@pytest.mark.parametrize(
    "selection",
    [
        *({}, {"keys": []}, {"model": ""}, {"all": False}),
        *({"model": "sale.*", "all": True}, {"keys": ["1@2026-01-31T12:00:00.000001Z"], "all": 1}),
    ],
    ids=str,
)
def test_a_selection_says_which_in_one_way(admin, what, selection):
    answer = admin.post(f"{PATH}/{what}", json=selection)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
    assert answer.json()["error"]["message"].startswith("body: Say which: ")
    assert admin.get(PATH).json()["total"] == 2


def test_what_was_done_is_written_down(parts, admin):
    admin.post(f"{PATH}/replay", json={"model": "sale.order"})
    admin.post(f"{PATH}/discard", json={"all": True})
    entries = [
        entry
        for entry in admin.get("/api/v1/audit").json()["entries"]
        if entry["facts"].get("source") == parts.source
    ]
    assert [(entry["by"], entry["action"]) for entry in entries] == [
        ("api", "dead_letters.discarded"),
        ("api", "dead_letters.replayed"),
    ]
    assert entries[1]["facts"]["events"] == [parts.event(2).key]


@pytest.mark.parametrize("selection", [{"keys": ["x"]}, {"everything": True}, [], {"keys": [1]}])
def test_a_selection_that_is_none(admin, selection):
    answer = admin.post(f"{PATH}/replay", json=selection)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
