"""The feed's routes are as docs/openapi-feed.json says, whatever is sent to them."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devstack.feed_server import FeedServer
from tests.e2e.openapi import ANYTHING, TEXTS, answer_schema, check, conforming, inputs, operations

METHODS = ("get", "post", "put", "patch", "delete")
#: Requests at the same time, which is faster and finds more
TOGETHER = 4
REQUESTS = 2000

OPERATIONS = operations()
#: Bodies that are no JSON object, or none at all
RAW = st.binary(max_size=50) | st.sampled_from(
    [b"", b"{", b"[]", b"null", b"5", b"[" * 50_000, b'{"a":' * 50_000, b"\xff\xfe", b"9" * 5000]
)
CONTENT_TYPES = st.sampled_from(
    ["application/json"] * 8 + ["text/plain", "multipart/form-data", ""]
)


#: Path, HTTP method, description, and what is sent
Made = tuple[str, str, dict[str, Any], dict[str, Any]]


@st.composite
def requests_to_make(draw: st.DrawFn) -> Made:
    """A call, its description, and what is sent: half of the parameters as they should be."""
    path, method, operation = draw(st.sampled_from(OPERATIONS))
    given_ = {
        name: draw(conforming(schema) if draw(st.booleans()) else ANYTHING)
        for name, schema in inputs(operation).items()
        if draw(st.integers(0, 3))
    }
    if not draw(st.integers(0, 9)):
        given_[draw(TEXTS)] = draw(ANYTHING)
    if method == "get":
        query = {k: v if isinstance(v, str) else json.dumps(v) for k, v in given_.items()}
        return path, method, operation, {"query": urlencode(query, errors="surrogatepass")}
    body = draw(RAW) if not draw(st.integers(0, 9)) else json.dumps(given_).encode()
    headers = {"Content-Type": draw(CONTENT_TYPES)}
    return path, method, operation, {"body": body, "headers": headers}


def test_no_request_makes_it_fail(feed: FeedServer) -> None:
    feed.odoo.run_script(
        feed.database,
        "env['res.partner'].create([{'name': 'Ada'}, {'name': 'Grace'}]); env.cr.commit()",
    )
    seen: Counter[int] = Counter()
    of_thread = threading.local()

    def ask(made: Made) -> None:
        path, method, operation, sent = made
        url = f"{feed.server.url}{path}?{sent.get('query', '')}"
        response = of_thread.client.session.request(
            method, url, timeout=30, data=sent.get("body"), headers=sent.get("headers")
        )
        seen[response.status_code] += 1
        assert str(response.status_code) in operation["responses"], response.text[:500]
        check(response.json(), answer_schema(operation, response.status_code))

    def begin() -> None:
        of_thread.client = feed.client()

    with ThreadPoolExecutor(TOGETHER, initializer=begin) as threads:

        @settings(
            max_examples=REQUESTS // TOGETHER,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(requests_to_make(), min_size=TOGETHER, max_size=TOGETHER))
        def ask_together(made: list[Made]) -> None:
            for _answered in threads.map(ask, made):
                pass

        ask_together()
    assert seen.total() >= REQUESTS
    assert seen[200] > REQUESTS / 10, f"hardly a request was right, so the test says little: {seen}"
    assert "Traceback" not in feed.server.child.log_path.read_text(errors="replace")


def test_the_description_names_all_calls_and_no_others(feed: FeedServer) -> None:
    routes = feed.odoo.run_script(
        feed.database,
        "result = sorted({rule.rule for rule in env['ir.http'].routing_map().iter_rules()"
        " if rule.rule.startswith('/api/webhooks/') and '<' not in rule.rule})",
    )
    assert routes == sorted({path for path, _, _ in OPERATIONS})


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_the_description_names_all_parameters(
    feed: FeedServer, path: str, method: str, operation: dict[str, Any]
) -> None:
    if not inputs(operation):
        return
    wrong = {"no_such_parameter": "1"}
    sent = {"params": wrong} if method == "get" else {"json": wrong}
    response = feed.client().session.request(method, feed.server.url + path, timeout=30, **sent)
    known = response.json()["error"]["message"].partition("Known are: ")[2].rstrip(".")
    assert set(known.split(", ")) == set(inputs(operation))


@pytest.mark.parametrize("path", sorted({path for path, _, _ in OPERATIONS}))
def test_other_methods_are_refused(feed: FeedServer, path: str) -> None:
    described = {method for other, method, _ in OPERATIONS if other == path}
    for method in METHODS:
        response = feed.client().session.request(
            method, feed.server.url + path, data=b"{", timeout=30
        )
        assert (response.status_code == 405) == (method not in described), method


def test_guessing_keys_is_slowed_down_in_all_processes(feed: FeedServer) -> None:
    url = f"{feed.server.url}/api/webhooks/pull"
    refused = [feed.client(f"{number:040}").session.post(url, json={}) for number in range(15)]
    assert [answer.status_code for answer in refused] == [401] * 10 + [429] * 5
    assert 0 < int(refused[-1].headers["Retry-After"]) <= 60
    assert "events" not in refused[-1].text
    for key in ("consumer", "receiver"):
        assert feed.client(key).call("pull")["success"]
