"""Pulls that an administrator asks for."""

import pytest
from bridgecore.errors import FeedUnavailable

from tests.integration.fake_odoo import hang_up


def test_a_pull_that_is_asked_for_does_not_wait(parts, admin):
    parts.odoo.misbehave.append(hang_up)
    with pytest.raises(FeedUnavailable), parts.odoo_health.watch(parts.source):
        parts.pulling.pull(parts.source)
    assert parts.odoo_health.is_away(parts.source)
    answer = admin.post("/api/v1/pull", json={"reconcile": True})
    assert (answer.status_code, answer.json()["sources"]) == (202, [parts.source])
    assert parts.messages.sent.pop() == ("pull", (parts.source, True, True))
    entry = admin.get("/api/v1/audit", params={"limit": 1}).json()["entries"][0]
    assert (entry["by"], entry["action"]) == ("api", "pull.requested")


def test_a_pull_needs_no_body(parts, admin):
    assert admin.post("/api/v1/pull").json() == {"success": True, "sources": [parts.source]}
    assert parts.messages.sent.pop() == ("pull", (parts.source, False, True))
    assert admin.post("/api/v1/pull", content=b"nonsense").status_code == 422
