"""Which token opens which routes, and which parameters they have."""

import re

import pytest
from fastapi.testclient import TestClient

from tests.integration.api_calls import RECEIVE, TOKEN, error_of

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
    open_routes = {RECEIVE, "/health/live", "/health/ready"}
    closed = [
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if path not in open_routes
    ]
    # the paths of ROUTES have values where the description has names in braces
    patterns = {
        (method, re.sub(r"{\w+}", "[^/]+", path)): (method, path) for method, path in closed
    }
    matched = [
        next(key for key in patterns if key[0] == method and re.fullmatch(key[1], path))
        for method, path in ROUTES
    ]
    assert sorted(matched) == sorted(patterns)


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("header", ["Bearer token", "Bearer ", "Basic admin", ""])
def test_they_are_for_the_admin_only(admin, method, path, header):
    answer = admin.request(method, path, headers={"Authorization": header}, json={})
    assert error_of(answer) == (401, "not_authenticated")
    said = "is wrong" if header == "Bearer token" else "header 'Authorization: Bearer"
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("token", [None, ""])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_they_are_closed_without_an_admin_token(make_parts, admin, method, path, token):
    admin.app.state.parts = make_parts(admin_token=token)
    answer = admin.request(method, path, headers={"Authorization": "Bearer "}, json={})
    assert error_of(answer) == (403, "reading_closed")
    message = answer.json()["error"]["message"]
    assert "BRIDGECORE_ADMIN_TOKEN" in message
    assert ("BRIDGECORE_METRICS_TOKEN" in message) == (path == "/metrics")


@pytest.mark.parametrize("headers", [{}, TOKEN])
def test_events_are_listed_for_the_admin_only(client, headers):
    response = client.get("/api/v1/events", headers=headers)
    assert error_of(response) == (401, "not_authenticated")


def test_a_token_that_opens_nothing_else(make_parts, admin: TestClient):
    admin.app.state.parts = make_parts(metrics_token="metrics", admin_token=None)
    headers = {"Authorization": "Bearer metrics"}
    assert admin.get("/metrics", headers=headers).status_code == 200
    assert admin.get("/api/v1/events", headers=headers).status_code == 403


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
    assert error_of(answer) == (422, "invalid_request")
    message = answer.json()["error"]["message"]
    assert message.startswith(f"query.record: unknown parameter; this route has: {known}")
