"""Whether the API lives, and whether it can accept events."""

from bridgecore.api import create_app
from fastapi.testclient import TestClient

from tests.integration.api_calls import error_of


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
    assert error_of(response) == (503, "not_ready")
    assert "noeviction" in response.json()["error"]["message"]
