"""The routes that list, replay and discard dead letters."""

import pytest

from tests.integration.api_calls import error_of
from tests.integration.failing import reported
from tests.integration.parts import Parts

PATH = "/api/v1/dead-letters"


@pytest.fixture
def parts(two_dead_letters) -> Parts:
    return two_dead_letters


def test_they_are_listed_newest_first_with_their_traceback(parts, admin):
    answer = admin.get(PATH).json()
    assert answer["total"] == 2
    newest, oldest = answer["dead_letters"]
    assert (newest["event_id"], oldest["event_id"]) == (2, 1)
    assert oldest["error"].startswith(f"{reported(1, 3)}\n\nTraceback")
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
    assert error_of(answer) == (422, "invalid_request")
    assert answer.json()["error"]["message"].startswith("body: Say which: ")
    assert admin.get(PATH).json()["total"] == 2


@pytest.mark.parametrize("selection", [{"keys": ["x"]}, {"everything": True}, [], {"keys": [1]}])
def test_a_selection_that_is_none(admin, selection):
    answer = admin.post(f"{PATH}/replay", json=selection)
    assert error_of(answer) == (422, "invalid_request")


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
