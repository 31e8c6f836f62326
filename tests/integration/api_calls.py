"""Calls of the API, and how tests read its answers."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

RECEIVE = "/api/v1/webhooks/receive"
#: the push token of `Parts`
TOKEN = {"X-API-Key": "token"}
#: the admin token of `Parts`
ADMIN = {"Authorization": "Bearer admin"}


def error_of(answer: Any) -> tuple[int, str]:
    """Return status and code of an error; every error has the same form."""
    content = answer.json()
    assert set(content) == {"success", "error"}
    assert content["success"] is False
    assert set(content["error"]) == {"code", "message"}
    assert content["error"]["message"]
    return answer.status_code, content["error"]["code"]


def samples_of(client: Any) -> list[Sample]:
    """Return what Prometheus would read from /metrics."""
    text = client.get("/metrics", headers=ADMIN).text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]
