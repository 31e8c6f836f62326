"""What a request without valid credentials cannot cost: its body is not read."""

import threading
import time
from collections.abc import Iterator

import pytest
import requests
from bridgecore.api.guarded_routes import MAX_BODY_BYTES

from tests.integration.api.raw import Answer, answer_to, connect, head, read_answer
from tests.integration.served import Served

RECEIVE = "/api/v1/webhooks/receive"
REPLAY = "/api/v1/dead-letters/replay"
DISCARD = "/api/v1/dead-letters/discard"
PULL = "/api/v1/pull"
MB = 1_000_000
ADMIN = {"authorization": "Bearer admin"}
JSON = {"content-type": "application/json"}
SIGNED = {"webhook-id": "a", "webhook-signature": "v1,YQ=="}


@pytest.fixture(scope="module")
def served(redis_url, odoo) -> Iterator[Served]:
    from tests.integration.parts import Parts

    parts = Parts(redis_url, odoo, read_token="reader", max_body_bytes=MB)
    with Served(parts) as served:
        yield served
    parts.storage.close()


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        *(("POST", path, {}, (401, "not_authenticated")) for path in (REPLAY, DISCARD, PULL)),
        ("POST", PULL, {"authorization": "Bearer wrong"}, (401, "not_authenticated")),
        ("POST", PULL, {"authorization": "Bearer reader"}, (403, "read_only")),
        ("POST", PULL, {**ADMIN, "content-encoding": "gzip"}, (415, "unsupported_encoding")),
        ("GET", "/api/v1/events", {}, (401, "not_authenticated")),
        ("GET", "/metrics", {}, (401, "not_authenticated")),
        ("GET", "/api/v1/events", ADMIN, (200, "")),
        ("GET", "/health/live", {}, (200, "")),
        ("POST", "/nothing", ADMIN, (404, "not_found")),
        ("PUT", REPLAY, ADMIN, (405, "method_not_allowed")),
        ("POST", "/api/v1/events", ADMIN, (405, "method_not_allowed")),
        ("GET", RECEIVE, {}, (405, "method_not_allowed")),
        ("POST", RECEIVE, {}, (401, "not_authenticated")),
        ("POST", RECEIVE, {"x-api-key": "wrong"}, (401, "not_authenticated")),
        ("POST", RECEIVE, SIGNED, (401, "not_authenticated")),
        ("POST", RECEIVE, {"x-api-key": "token", "content-encoding": "gzip"}, (415, None)),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_the_answer_comes_before_the_body(served, method, path, headers, expected, announced):
    size = {"content-length": MB - 1} if announced else {"transfer-encoding": "chunked"}
    request = head(method, path, **JSON, **headers, **size, expect="100-continue")
    answer = answer_to(served, request)
    assert answer.status == expected[0]
    assert answer.code == expected[1] or expected[1] is None
    assert answer.after < 1


@pytest.mark.parametrize("path", [REPLAY, DISCARD, PULL])
def test_bodies_for_administrators_are_bounded(served, path):
    headers = {**JSON, **ADMIN}
    announced = head("POST", path, **headers, content_length=MAX_BODY_BYTES + 1)
    assert answer_to(served, announced)[:2] == (413, "body_too_large")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    chunked = head("POST", path, **headers, transfer_encoding="chunked") + chunk
    assert answer_to(served, chunked)[:2] == (413, "body_too_large")


def test_the_longest_selection_fits(served):
    keys = [f"{2**63 - 1 - n}@2026-01-31T12:00:00.000000Z" for n in range(10_000)]
    body = {"keys": keys}
    answer = requests.post(f"{served.url}{REPLAY}", json=body, headers=ADMIN, timeout=10)
    assert answer.status_code == 200
    assert len(answer.json()["not_dead"]) == 10_000


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_who_has_no_token_does_not_learn_what_is_wrong_with_the_body(served, headers):
    headers = {**headers, **JSON}
    answer = requests.post(f"{served.url}{PULL}", data="{", headers=headers, timeout=10)
    assert answer.status_code == 401
    answer = requests.post(f"{served.url}{PULL}", data="{", headers={**JSON, **ADMIN}, timeout=10)
    assert answer.status_code == 422


@pytest.mark.parametrize("path", [REPLAY, PULL, RECEIVE, "/nothing"])
def test_a_large_body_of_a_stranger_keeps_nobody_waiting(served, path):
    """16 MB of `[],` once kept all pushes waiting for two seconds."""
    stop, waits = threading.Event(), []

    def ask() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                began = time.monotonic()
                assert session.get(f"{served.url}/health/live", timeout=10).status_code == 200
                waits.append(time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        body = b"[" + b"[]," * (16 * MB // 3) + b"[]]"
        answer = post(served, path, body)
    finally:
        stop.set()
        asking.join()
    assert answer.status in (401, 404)
    assert max(waits) < 0.5


def post(served: Served, path: str, body: bytes) -> Answer:
    with connect(served) as connection:
        connection.sendall(head("POST", path, **JSON, content_length=len(body)))
        connection.sendall(body)
        return read_answer(connection)
