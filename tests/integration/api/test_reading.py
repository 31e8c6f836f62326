"""Events, records and sync states, as administrators read them."""

from datetime import UTC, datetime, timedelta

import pytest
from bridgecore.storage import history

from tests.integration.api_calls import error_of

EVENTS = "/api/v1/events"


def ids(answer):
    return [event["event_id"] for event in answer.json()["events"]]


def test_events_are_listed_newest_first(parts, admin):
    parts.push(parts.event(1))
    parts.deliver()
    parts.push(parts.event(2))

    newest, oldest = admin.get(EVENTS).json()["events"]
    assert newest["state"] == "queued"
    assert newest["handled_at"] is None
    assert newest["confirmed_at"] is None
    moments = [
        datetime.fromisoformat(oldest.pop(f"{name}_at"))
        for name in ("accepted", "handled", "confirmed")
    ]
    assert moments == sorted(moments)
    assert datetime.now(UTC) - moments[0] < timedelta(minutes=1)
    assert oldest == {
        "source": parts.source,
        "key": "1@2026-01-31T12:00:00.000001Z",
        "event_id": 1,
        "model": "res.partner",
        "record_id": 1,
        "event": "write",
        "timestamp": "2026-01-31T12:00:00.000001Z",
        "state": "confirmed",
        "via": "push",
        "attempts": 1,
        "replays": 0,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [4, 3, 2, 1]),
        ({"model": "sale.order"}, [3]),
        ({"model": "sale.*"}, [4, 3]),
        ({"model": "res.partner", "record_id": 1}, [1]),
        ({"record_id": 2}, [4, 2]),
        ({"event": "create"}, [4]),
        ({"event": "unlink"}, []),
        ({"limit": 2}, [4, 3]),
        ({"since": "2126-01-01T00:00:00Z"}, []),
        ({"since": "2026-01-01T00:00:00Z", "until": "2126-01-01T00:00:00"}, [4, 3, 2, 1]),
        ({"until": "2026-01-01T00:00:00Z"}, []),
    ],
)
def test_filters(parts, admin, query, expected):
    parts.push(parts.event(1, record_id=1))
    parts.push(parts.event(2, record_id=2))
    parts.push(parts.event(3, record_id=1, model="sale.order"))
    parts.push(parts.event(4, record_id=2, model="sale.order.line", event="create"))
    assert ids(admin.get(EVENTS, params=query)) == expected


def test_times_are_those_of_acceptance(parts, admin):
    parts.push(parts.event(1))
    (first,) = admin.get(EVENTS).json()["events"]
    parts.push(parts.event(2))
    accepted_at = first["accepted_at"]
    assert ids(admin.get(EVENTS, params={"until": accepted_at})) == [1]
    assert ids(admin.get(EVENTS, params={"since": accepted_at})) == [2, 1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_cover_the_list_also_where_moments_are_equal(parts, admin, limit):
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 11)))  # accepted in one moment
    parts.push(*(parts.event(n, record_id=n) for n in range(11, 14)))
    seen, cursor = [], None
    while True:
        answer = admin.get(
            EVENTS, params={"limit": limit, **({"cursor": cursor} if cursor else {})}
        )
        seen += ids(answer)
        cursor = answer.json()["next"]
        if not cursor:
            break
    assert sorted(seen) == list(range(1, 14))
    assert len(seen) == 13


def test_a_filter_that_matches_little_goes_on_in_further_pages(parts, admin, monkeypatch):
    monkeypatch.setattr(history, "SCANNED", 4)
    parts.push(parts.event(1, model="rare"))
    parts.push(*(parts.event(n) for n in range(2, 8)))
    first = admin.get(EVENTS, params={"model": "rare"}).json()
    assert first["events"] == []
    second = admin.get(EVENTS, params={"model": "rare", "cursor": first["next"]}).json()
    assert [event["event_id"] for event in second["events"]] == [1]


def test_one_event_with_its_content(parts, admin):
    parts.push(parts.event(1, changed_fields=["name"], old_values={"name": "Before"}))
    parts.deliver()
    answer = admin.get(f"{EVENTS}/{parts.source}/{parts.event(1).key}")
    event = answer.json()["event"]
    assert event["payload"] == {"name": "Partner 1"}
    assert event["old_values"] == {"name": "Before"}
    assert event["content_kept"] is True
    assert event["error"] is None


def test_the_content_of_an_event_that_is_still_known_may_have_gone(parts, admin):
    parts.push(parts.event(1))
    parts.deliver()
    parts.storage.redis.delete(parts.key(f"body:{parts.event(1).key}"))
    event = admin.get(f"{EVENTS}/{parts.source}/{parts.event(1).key}").json()["event"]
    assert event["payload"] == {}
    assert event["content_kept"] is False
    assert event["state"] == "confirmed"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/events?limit=0", 422, "invalid_request"),
        ("/api/v1/events?source=other", 404, "unknown_source"),
        ("/api/v1/events?cursor=x", 422, "invalid_cursor"),
        ("/api/v1/events?cursor=é", 422, "invalid_cursor"),
        ("/api/v1/events/other/1@2026-01-31T12:00:00.000001Z", 404, "unknown_source"),
        ("/api/v1/events/{source}/1@2026-01-31T12:00:00.000001Z", 404, "not_found"),
        ("/api/v1/events/{source}/nonsense", 422, "invalid_request"),
        ("/api/v1/records/{source}/res.partner/9", 404, "not_found"),
        ("/api/v1/sync-states?source=other", 404, "unknown_source"),
    ],
)
def test_what_cannot_be_found(parts, admin, path, status, code):
    answer = admin.get(path.format(source=parts.source))
    assert error_of(answer) == (status, code)


def test_the_latest_values_of_a_record(parts, admin):
    parts.push(parts.event(1, payload={"name": "Before", "tags": [1]}))
    parts.push(parts.event(2, payload={"name": "After"}))
    parts.deliver()
    path = f"/api/v1/records/{parts.source}/res.partner/1"
    assert admin.get(path).json() == {
        "success": True,
        "deleted": False,
        "timestamp": parts.event(2).timestamp,
        "values": {"name": "After", "tags": [1]},
    }
    parts.push(parts.event(3, event="unlink", payload={}))
    parts.deliver()
    assert admin.get(path).json()["deleted"] is True
    assert admin.get(path).json()["values"] == {}


def test_sync_states(parts, admin):
    parts.odoo.events = [parts.wire(1), parts.wire(2, model="sale.order")]
    parts.pulling.pull(parts.source)
    parts.deliver()
    (state,) = admin.get("/api/v1/sync-states").json()["sources"]
    assert (state["source"], state["cursor"], state["feed_error"]) == (parts.source, 2, None)
    assert state["feed_read_at"]
    assert [
        (model["model"], model["events"], model["last_event_id"]) for model in state["models"]
    ] == [("res.partner", 1, 1), ("sale.order", 1, 2)]
