"""Which token opens what, and which one did what."""

import pytest
from bridgecore.api import create_app
from fastapi.testclient import TestClient

from tests.integration.api.test_access import ROUTES

CHANGES = [route for route in ROUTES if route[0] == "POST"]
READS = [route for route in ROUTES if route[0] == "GET" and route[1] != "/api/v1/stream"]


@pytest.fixture
def client(make_parts):
    parts = make_parts(read_token="reader", metrics_token="metrics")
    with TestClient(create_app(parts)) as client:
        yield client


def ask(client, route, token):
    answer = client.request(*route, headers={"Authorization": f"Bearer {token}"})
    error = answer.json().get("error", {}) if "json" in answer.headers["content-type"] else {}
    return answer.status_code, error.get("code")


@pytest.mark.parametrize("route", READS)
def test_the_read_token_reads(client, route):
    status, code = ask(client, route, "reader")
    assert (status, code) in ((200, None), (404, "unknown_source"))


@pytest.mark.parametrize("route", CHANGES)
def test_the_read_token_changes_nothing(client, route):
    assert ask(client, route, "reader") == (403, "read_only")


def test_the_metrics_token_opens_the_metrics_only(client):
    for route in ROUTES:
        expected = (200, None) if route[1] == "/metrics" else (401, "not_authenticated")
        assert ask(client, route, "metrics") == expected


def test_without_an_admin_token_only_reading_is_open(make_parts):
    client = TestClient(create_app(make_parts(admin_token=None, read_token="reader")))
    assert ask(client, ("GET", "/api/v1/events"), "reader") == (200, None)
    assert ask(client, ("GET", "/metrics"), "reader") == (200, None)
    assert ask(client, ("POST", "/api/v1/pull"), "reader") == (403, "reading_closed")


def test_the_audit_log_says_which_token_was_used(parts, admin):
    parts.registry.on("broken")(lambda event: 1 / 0)
    parts.push(*(parts.event(n, model="broken") for n in (1, 2)))
    for _ in range(3):
        parts.deliver()
    keys = [parts.event(n).key for n in (1, 2)]
    admin.post("/api/v1/pull")
    assert admin.post("/api/v1/dead-letters/replay", json={"keys": keys[:1]}).json()["keys"]
    assert admin.post("/api/v1/dead-letters/discard", json={"keys": keys[1:]}).json()["keys"]
    entries = admin.get("/api/v1/audit?limit=3").json()["entries"]
    assert [(entry["by"], entry["action"], entry["facts"]["token"]) for entry in entries] == [
        ("api", "dead_letters.discarded", "admin"),
        ("api", "dead_letters.replayed", "admin"),
        ("api", "pull.requested", "admin"),
    ]
