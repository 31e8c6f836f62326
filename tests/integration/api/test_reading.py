"""Events, records and sync states, as administrators read them."""

from datetime import UTC, datetime, timedelta

import pytest
from bridgecore.storage import history

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
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("GET", "/events?record=8", "source, model, record_id, event, since, until, limit, cursor"),
        ("GET", "/events?limit=0&record=8", "source, model"),
        ("GET", "/events/{source}/1@2026-01-31T12:00:00.000001Z?record=8", "none"),
        ("GET", "/records/{source}/res.partner/1?record=8", "none"),
        ("GET", "/sync-states?record=8", "source"),
        ("GET", "/stream?record=8", "model, source"),
        ("GET", "/dead-letters?record=8", "source, model, limit"),
        ("POST", "/dead-letters/replay?record=8", "none"),
        ("POST", "/dead-letters/discard?record=8", "none"),
        ("POST", "/pull?record=8", "none"),
        ("GET", "/audit?record=8", "limit, before"),
    ],
)
def test_a_misspelt_parameter_is_refused(parts, admin, method, path, known):
    answer = admin.request(method, f"/api/v1{path.format(source=parts.source)}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
    message = answer.json()["error"]["message"]
    assert message.startswith(f"query.record: unknown parameter; this route has: {known}")


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


ROUTES = [
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/events/a/1@2026-01-31T12:00:00.000001Z"),
    ("GET", "/api/v1/records/a/b/1"),
    ("GET", "/api/v1/sync-states"),
    ("GET", "/api/v1/stream"),
    ("GET", "/api/v1/dead-letters"),
    ("POST", "/api/v1/dead-letters/replay"),
    ("POST", "/api/v1/dead-letters/discard"),
    ("POST", "/api/v1/pull"),
    ("GET", "/api/v1/audit"),
    ("GET", "/metrics"),
]


def test_the_list_of_closed_routes_is_complete(admin):
    described = admin.get("/openapi.json").json()["paths"]
    open_routes = {"/api/v1/webhooks/receive", "/health/live", "/health/ready"}
    assert len(ROUTES) == len(set(described) - open_routes)


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("header", ["Bearer token", "Bearer ", "Basic admin", ""])
def test_they_are_for_the_admin_only(admin, method, path, header):
    answer = admin.request(method, path, headers={"Authorization": header}, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_authenticated")
    said = "is wrong" if header == "Bearer token" else "header 'Authorization: Bearer"
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("token", [None, ""])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_they_are_closed_without_an_admin_token(make_parts, admin, method, path, token):
    admin.app.state.parts = make_parts(admin_token=token)
    answer = admin.request(method, path, headers={"Authorization": "Bearer "}, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "reading_closed")
    message = answer.json()["error"]["message"]
    assert "BRIDGECORE_ADMIN_TOKEN" in message
    assert ("BRIDGECORE_METRICS_TOKEN" in message) == (path == "/metrics")
