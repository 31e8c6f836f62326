"""The endpoint's answers, with real Redis behind it."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from bridgecore.api import create_app
from bridgecore.api.receiving import limited_body
from bridgecore.errors import BodyTooLarge, QueueUnavailable
from fastapi import Request
from fastapi.testclient import TestClient

from tests.integration.parts import Parts

RECEIVE = "/api/v1/webhooks/receive"
TOKEN = {"X-API-Key": "token"}


@pytest.fixture
def parts(make_parts) -> Parts:
    return make_parts(admin_token="admin", max_body_bytes=10_000, max_queue_depth=3)


@pytest.fixture
def client(parts) -> Iterator[TestClient]:
    with TestClient(create_app(parts), raise_server_exceptions=False) as client:
        yield client


def body(parts, *event_ids):
    return {"events": [parts.wire(n) for n in event_ids]}


def error(response) -> str:
    """The error's code; every error has the same form."""
    answer = response.json()
    assert set(answer) == {"success", "error"}
    assert answer["success"] is False
    assert set(answer["error"]) == {"code", "message"}
    assert answer["error"]["message"]
    return answer["error"]["code"]


def test_accepted_and_duplicates_are_counted(parts, client):
    client.post(RECEIVE, json=body(parts, 1), headers=TOKEN)
    response = client.post(RECEIVE, json=body(parts, 1, 2), headers=TOKEN)
    assert response.status_code == 200
    assert response.json() == {"success": True, "accepted": 1, "duplicates": 1}
    assert parts.states() == {1: "queued", 2: "queued"}
    assert parts.messages.kinds == ["handle", "handle"]


def test_a_batch_without_events_shows_that_address_and_credentials_are_right(parts, client):
    ping = {"source": parts.source, "events": []}
    response = client.post(RECEIVE, json=ping, headers=TOKEN)
    assert response.status_code == 200
    assert response.json() == {"success": True, "accepted": 0, "duplicates": 0}
    assert client.post(RECEIVE, json=ping).status_code == 401
    assert not parts.messages.sent


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"webhook-signature": "v1"}])
def test_without_valid_credentials(parts, client, headers):
    response = client.post(RECEIVE, json=body(parts, 1), headers=headers)
    assert (response.status_code, error(response)) == (401, "not_authenticated")
    assert "www-authenticate" in response.headers
    assert parts.states() == {}


def test_events_of_another_source(parts, client):
    event = {**parts.wire(1), "source": "another"}
    response = client.post(RECEIVE, json={"events": [parts.wire(2), event]}, headers=TOKEN)
    assert (response.status_code, error(response)) == (403, "foreign_source")
    assert parts.states() == {}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b"", 400, "invalid_json"),
        (b"[]", 422, "invalid_event"),
        (b'{"events": [1]}', 422, "invalid_event"),
    ],
)
def test_malformed_bodies(client, content, status, code):
    response = client.post(RECEIVE, content=content, headers=TOKEN)
    assert (response.status_code, error(response)) == (status, code)


def test_one_malformed_event_refuses_the_batch(parts, client):
    events = [parts.wire(1), parts.wire(2, event="change")]
    response = client.post(RECEIVE, json={"events": events}, headers=TOKEN)
    assert (response.status_code, error(response)) == (422, "invalid_event")
    assert response.json()["error"]["message"].startswith("events.1.event: ")
    assert parts.states() == {}


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large(parts, client, announced):
    content = json.dumps(parts.wire(1, payload={"name": "x" * 10_000})).encode()
    body = content if announced else iter([content[:5000], content[5000:]])
    response = client.post(RECEIVE, content=body, headers=TOKEN)
    assert (response.status_code, error(response)) == (413, "body_too_large")
    assert parts.states() == {}


def test_a_body_that_is_announced_as_too_large_is_not_read():
    async def read():
        pytest.fail("read")

    request = Request({"type": "http", "headers": [(b"content-length", b"10001")]}, read)
    with pytest.raises(BodyTooLarge):
        asyncio.run(limited_body(request, 10_000))


def test_a_full_queue(parts, client):
    client.post(RECEIVE, json=body(parts, 1, 2, 3), headers=TOKEN)
    response = client.post(RECEIVE, json=body(parts, 4), headers=TOKEN)
    assert (response.status_code, error(response)) == (429, "queue_full")
    assert int(response.headers["retry-after"]) > 0


def test_a_broker_that_is_away(parts, client):
    parts.messages.away = True
    response = client.post(RECEIVE, json=body(parts, 1), headers=TOKEN)
    assert (response.status_code, error(response)) == (503, QueueUnavailable.code)
    assert int(response.headers["retry-after"]) > 0


def test_an_error_that_nobody_foresaw(parts, client, monkeypatch):
    monkeypatch.setattr(parts.acceptance, "accept", lambda submissions: 1 / 0)
    response = client.post(RECEIVE, json=body(parts, 1), headers=TOKEN)
    assert (response.status_code, error(response)) == (500, "internal")

    monkeypatch.undo()
    assert client.post(RECEIVE, json=body(parts, 1), headers=TOKEN).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", RECEIVE, 405, "method_not_allowed"),
        ("GET", "/api/v1/events?limit=0", 422, "invalid_request"),
        ("GET", "/api/v1/events?limit=many", 422, "invalid_request"),
    ],
)
def test_every_error_has_the_same_form(client, method, path, status, code):
    response = client.request(method, path, headers={"Authorization": "Bearer admin"})
    assert (response.status_code, error(response)) == (status, code)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer token"}, TOKEN])
def test_events_are_listed_for_the_admin_only(client, headers):
    response = client.get("/api/v1/events", headers=headers)
    assert (response.status_code, error(response)) == (401, "not_authenticated")


@pytest.mark.parametrize("token", [None, ""])
def test_reading_is_closed_without_an_admin_token(make_parts, token):
    client = TestClient(create_app(make_parts(admin_token=token)))
    response = client.get("/api/v1/events", headers={"Authorization": "Bearer "})
    assert (response.status_code, error(response)) == (403, "reading_closed")


def test_health(client):
    for path in ("/health/live", "/health/ready"):
        assert client.get(path).json() == {"status": "ok"}


def test_ready_without_any_odoo_says_what_to_set(parts):
    parts.settings.sources.clear()
    response = TestClient(create_app(parts)).get("/health/ready")
    assert response.status_code == 200
    assert "set BRIDGECORE_SOURCES" in response.json()["warning"]


def test_not_ready_if_redis_may_drop_events(parts, client, monkeypatch):
    monkeypatch.setattr(
        parts.storage.redis, "info", lambda _section: {"maxmemory_policy": "allkeys-lru"}
    )
    response = client.get("/health/ready")
    assert (response.status_code, error(response)) == (503, "not_ready")
    assert "noeviction" in response.json()["error"]["message"]


def test_the_description_is_complete(client):
    """Every route says what it does and what it answers, with an example."""
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            assert route["description"], path
            assert route["tags"], path
            answers = {code: answer for code, answer in route["responses"].items() if code < "3"}
            for answer in answers.values():
                for kind, content in answer["content"].items():
                    if kind == "application/json":
                        name = content["schema"]["$ref"].rpartition("/")[2]
                        assert has_example(schemas, schemas[name]), (method, path, name)
            for parameter in route.get("parameters", []):
                assert "schema" in parameter
    assert client.get("/docs").status_code == 200


def has_example(schemas, schema):
    """Its own, or one for each of the objects that it holds."""
    if schema.get("examples") or schema.get("example"):
        return True
    held = [
        part["$ref"].rpartition("/")[2]
        for value in schema.get("properties", {}).values()
        for part in (value, value.get("items", {}))
        if "$ref" in part
    ]
    return bool(held) and all(has_example(schemas, schemas[name]) for name in held)
