"""The endpoint's answers, with real Redis behind it."""

import asyncio
import json

import pytest
from bridgecore.api.bodies import limited_body
from bridgecore.errors import BodyTooLarge, QueueUnavailable
from fastapi import Request

from tests.integration.api_calls import RECEIVE, TOKEN, error_of
from tests.integration.parts import Parts


@pytest.fixture
def parts(make_parts) -> Parts:
    return make_parts(max_body_bytes=10_000, max_queue_depth=3)


def body(parts, *event_ids):
    return {"events": [parts.wire(n) for n in event_ids]}


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


@pytest.mark.parametrize("facts", [{}, {"event": "test", "event_id": 0}])
def test_a_connection_test_shows_the_same_and_has_no_effect(parts, client, facts):
    test = {**parts.wire(1, record_id=-1), **facts}
    response = client.post(RECEIVE, json=test, headers=TOKEN)
    assert (response.status_code, response.json()["accepted"]) == (200, 0)
    assert client.post(RECEIVE, json=test).status_code == 401
    assert parts.states() == {}
    assert not parts.messages.sent


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"webhook-signature": "v1"}])
def test_without_valid_credentials(parts, client, headers):
    response = client.post(RECEIVE, json=body(parts, 1), headers=headers)
    assert error_of(response) == (401, "not_authenticated")
    assert "www-authenticate" in response.headers
    assert parts.states() == {}


def test_events_of_another_source(parts, client):
    event = {**parts.wire(1), "source": "another"}
    response = client.post(RECEIVE, json={"events": [parts.wire(2), event]}, headers=TOKEN)
    assert error_of(response) == (403, "foreign_source")
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
    assert error_of(response) == (status, code)


def test_one_malformed_event_refuses_the_batch(parts, client):
    events = [parts.wire(1), parts.wire(2, event="change")]
    response = client.post(RECEIVE, json={"events": events}, headers=TOKEN)
    assert error_of(response) == (422, "invalid_event")
    assert response.json()["error"]["message"].startswith("events.1.event: ")
    assert parts.states() == {}


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large(parts, client, announced):
    content = json.dumps(parts.wire(1, payload={"name": "x" * 10_000})).encode()
    body = content if announced else iter([content[:5000], content[5000:]])
    response = client.post(RECEIVE, content=body, headers=TOKEN)
    assert error_of(response) == (413, "body_too_large")
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
    assert error_of(response) == (429, "queue_full")
    assert int(response.headers["retry-after"]) > 0


def test_a_broker_that_is_away(parts, client):
    parts.messages.away = True
    response = client.post(RECEIVE, json=body(parts, 1), headers=TOKEN)
    assert error_of(response) == (503, QueueUnavailable.code)
    assert int(response.headers["retry-after"]) > 0
