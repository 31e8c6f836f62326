"""What a stranger may cost the API: bytes of headers, time, and connections."""

import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requests
from bridgecore.api import limits as limits_module
from bridgecore.api.connections import BoundedProtocol
from bridgecore.api.limits import Limits, possible_connections
from httptools import HttpRequestParser
from pydantic import SecretStr
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from devstack.process import answers, free_port
from tests.integration.api.raw import answer_to, connect, head, is_closed, read_answer
from tests.integration.served import Served
from tests.support import eventually

RECEIVE = "/api/v1/webhooks/receive"
SHORT = Limits(header_time=0.5, request_time=1, look_interval=0.05, farewell_time=0.2)
MB = 1_000_000
BLANKS = b" " * 4 * MB


@pytest.fixture
def served(parts, request) -> Iterator[Served]:
    with Served(parts, getattr(request, "param", None)) as served:
        yield served


short = pytest.mark.parametrize("served", [SHORT], indirect=True)


def is_ready(served: Served) -> bool:
    return requests.get(f"{served.url}/health/ready", timeout=5).status_code == 200


# Bytes


def test_a_header_line_of_100_mb_is_refused_at_64_kb_and_costs_no_memory(served):
    memory = psutil.Process().memory_info().rss
    began, sent = time.monotonic(), 0
    with connect(served) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nx: ")
        line = b"x" * 65536
        try:
            while sent < 100 * MB:
                connection.sendall(line)
                sent += len(line)
            answer = None
        except OSError:  # the receiver has cut the connection
            answer = None
        else:
            answer = read_answer(connection)
    assert answer is None or answer.status == 431
    assert psutil.Process().memory_info().rss - memory < 5 * MB
    assert time.monotonic() - began < 2.5  # with the moment for reading the answer


def test_headers_that_are_too_large_are_answered(served):
    line = b"GET /health/live HTTP/1.1\r\nx: " + b"x" * 70_000
    answer = answer_to(served, line)
    assert answer[:2] == (431, "headers_too_large")
    assert answer.after < 1


@pytest.mark.parametrize(("size", "status"), [(60_000, 200), (66_000, 431)])
@pytest.mark.parametrize("headers", [1, 100])
def test_the_limit_is_64_kb_in_all(served, size, status, headers):
    sent = {f"x-{n}": "x" * (size // headers - 8) for n in range(headers)}
    answer = answer_to(served, head("GET", "/health/live", **sent))
    assert answer.status == status


def test_a_long_address_is_refused(served):
    assert answer_to(served, head("GET", f"/{'x' * 70_000}")).status == 431


def test_trailers_after_the_body_are_bounded_too(served):
    request = head("POST", RECEIVE, x_api_key="token", transfer_encoding="chunked")
    with connect(served) as connection:
        connection.sendall(request + b"1\r\n{\r\n0\r\nx: " + b"x" * 400_000)
        assert read_answer(connection)[:2] == (431, "headers_too_large")
    assert is_ready(served)


def test_a_body_may_be_larger_than_headers_may(served):
    body = b'{"events": []' + b" " * 500_000 + b"}"
    request = head("POST", RECEIVE, x_api_key="token", content_length=len(body))
    assert answer_to(served, request + body).status == 200
    assert answer_to(served, request, body[:5], body[5:]).status == 200
    chunked = head("POST", RECEIVE, x_api_key="token", transfer_encoding="chunked")
    chunks = (b"%x\r\n%s\r\n" % (10_000, b" " * 10_000)) * 50 + b'd\r\n{"events":[]}\r\n0\r\n\r\n'
    assert answer_to(served, chunked + chunks).status == 200


def test_what_is_not_http_is_answered_like_every_error_and_logged_once(served, caplog):
    for _ in range(5):
        assert answer_to(served, b"hello\r\n\r\n")[:2] == (400, "invalid_request")
    assert [r.getMessage() for r in caplog.records] == [
        "connection refused status=400 code=invalid_request client=127.0.0.1"
    ]


def test_a_websocket_gets_a_plain_answer(served, caplog):
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    assert answer_to(served, head("GET", "/api/v1/stream", **headers)).status == 401
    assert not caplog.records


def test_requests_that_are_sent_ahead_are_answered_in_order_but_not_without_end(served):
    request = head("GET", "/health/live")
    with connect(served) as connection:
        connection.sendall(request * 10)
        received = b""
        while received.count(b'{"status":"ok"}') < 10:
            received += connection.recv(65536)
    with connect(served) as connection:
        connection.sendall(request * 5000)
        eventually(lambda: is_closed(connection))
    assert is_ready(served)


# Time


@short
def test_300_requests_of_which_half_came_are_gone_when_their_time_is_over(served):
    with ExitStack() as stack:
        open_ones = [stack.enter_context(connect(served)) for _ in range(300)]
        for number, connection in enumerate(open_ones):
            connection.sendall([b"G", b"GET / HTTP/1.1\r\nhost: a\r\n", b"\r\n"][number % 3])
        assert is_ready(served)
        began = time.monotonic()
        eventually(lambda: all(map(is_closed, open_ones)), timeout=10)
        assert time.monotonic() - began < 3


@short
def test_a_half_request_is_told_why(served):
    answer = answer_to(served, b"GET /health/live HTTP/1.1\r\nhost: a\r\n")
    assert answer[:2] == (408, "request_timeout")
    assert 0.4 < answer.after < 1


@short
def test_a_body_that_does_not_come_is_told_why(parts, served):
    request = head("POST", RECEIVE, x_api_key="token", content_length=100)
    answer = answer_to(served, request, b'{"events"')
    assert answer[:2] == (408, "request_timeout")
    assert 0.9 < answer.after < 2


@short
def test_a_body_that_drips_is_refused(served):
    with connect(served) as connection:
        connection.sendall(head("POST", RECEIVE, x_api_key="token", content_length=100))
        began = time.monotonic()
        while not is_closed(connection):
            with suppress(OSError):  # cut meanwhile
                connection.send(b" ")
            time.sleep(0.05)
        assert time.monotonic() - began < 3


@short
def test_a_connection_without_a_request_is_closed_without_an_answer(served):
    with connect(served) as connection:
        assert connection.recv(100) == b""


@short
def test_the_body_of_a_refused_request_may_not_come_for_ever(served):
    with connect(served) as connection:
        connection.sendall(head("POST", RECEIVE, content_length=100 * MB))
        assert read_answer(connection).status == 401
        eventually(lambda: is_closed(connection), timeout=5)


@short
def test_connections_between_requests_stay(served):
    """They are closed after `idle_time` only."""
    with connect(served) as connection:
        for _ in range(3):
            connection.sendall(head("GET", "/health/live"))
            assert read_answer(connection).status == 200
            time.sleep(1.2)


@pytest.mark.parametrize("served", [replace(SHORT, idle_time=1)], indirect=True)
def test_an_idle_connection_is_closed_also_if_its_body_came_after_the_answer(served):
    with connect(served) as connection:
        connection.sendall(head("POST", RECEIVE, content_length=10))
        assert read_answer(connection).status == 401
        connection.sendall(b"x" * 10)
        eventually(lambda: is_closed(connection), timeout=5)


@pytest.fixture
def parts(make_parts):
    made = make_parts(max_body_bytes=4 * MB)
    made.record_effects()
    made.settings.sources[0].signing_secrets.append(SecretStr("whsec_" + "b3RoZXI" * 6))
    return made


def test_large_bodies_that_anybody_may_have_sent_do_not_fill_the_memory(served):
    """A signature is checked when the body is complete. Small bodies are not kept out."""
    signature = {"webhook-id": "a", "webhook-timestamp": int(time.time())}
    signature["webhook-signature"] = "v1,YQ=="
    memory = psutil.Process().memory_info().rss
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(served)) for _ in range(40)]
        sending = [
            threading.Thread(target=send_most_of_a_body, args=(connection, signature))
            for connection in connections
        ]
        for thread in sending:
            thread.start()
        for thread in sending:
            thread.join()
        small = head("POST", RECEIVE, **signature, content_length=MB) + BLANKS[:MB]
        assert answer_to(served, small).status == 401
        with_token = head("POST", RECEIVE, x_api_key="token", content_length=3 * MB)
        assert answer_to(served, with_token, BLANKS[: 3 * MB]).status == 400
        refused = [connection for connection in connections if has_answer(connection)]
        assert len(refused) >= 30
        assert {read_answer(connection)[:2] for connection in refused} == {(503, "too_many_bodies")}
        assert psutil.Process().memory_info().rss - memory < 100 * MB  # of 160 MB that were sent
    assert answer_to(served, small).status == 401


def send_most_of_a_body(connection: socket.socket, headers: dict[str, str | int]) -> None:
    connection.sendall(head("POST", RECEIVE, **headers, content_length=4 * MB))
    connection.sendall(memoryview(BLANKS)[: 4 * MB - 1])


def has_answer(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0.2)[0])


def large_events(parts) -> None:
    parts.push(*(parts.event(n, payload={"name": "x" * 200_000}) for n in range(1, 61)))
    parts.deliver()


def follow_from_the_beginning(connection: socket.socket) -> None:
    headers = {"authorization": "Bearer admin", "last-event-id": "0-0"}
    connection.sendall(head("GET", "/api/v1/stream", **headers))


@short
def test_a_client_that_takes_nothing_of_its_answer_is_cut(parts, served):
    large_events(parts)
    with connect(served) as connection:
        follow_from_the_beginning(connection)
        state = served.server.server_state
        eventually(lambda: state.connections)
        eventually(lambda: not state.connections, timeout=10)
    eventually(lambda: not state.tasks)


@short
def test_a_client_that_takes_its_answer_slowly_gets_it(parts, served):
    large_events(parts)
    received, began = 0, time.monotonic()
    with connect(served) as connection:
        follow_from_the_beginning(connection)
        while received < 12 * MB:
            piece = connection.recv(1_000_000)
            assert piece, "cut"
            received += len(piece)
            time.sleep(0.1 * len(piece) / 300_000)  # 4 seconds in all
    assert time.monotonic() - began > 3


# Connections


@pytest.mark.parametrize("served", [Limits(connections=3)], indirect=True)
def test_if_there_are_too_many_idle_ones_go_first_and_then_half_requests(served):
    with ExitStack() as stack:

        def another(data: bytes) -> socket.socket:
            connection = stack.enter_context(connect(served))
            connection.sendall(data)
            return connection

        half = another(b"GET /health/live HTTP/1.1\r\n")
        first, second = (another(head("GET", "/health/live")) for _ in range(2))
        assert read_answer(first).status == read_answer(second).status == 200
        third, fourth = (another(head("GET", "/health/live")) for _ in range(2))
        assert read_answer(third).status == 200
        eventually(lambda: is_closed(first))
        assert not is_closed(half)
        half.setblocking(True)
        half.sendall(b"\r\n")
        assert read_answer(half).status == 200
        assert read_answer(fourth).status == 200

        halves = [another(b"GET") for _ in range(20)]
        assert read_answer(another(head("GET", "/health/live"))).status == 200
        assert is_closed(halves[0])


@pytest.mark.parametrize("served", [replace(SHORT, connections=3)], indirect=True)
def test_if_all_are_at_work_a_further_one_is_told_to_come_later(served, caplog):
    follow = head("GET", "/api/v1/stream", authorization="Bearer admin")
    with ExitStack() as stack:
        streams = [stack.enter_context(connect(served)) for _ in range(3)]
        for stream in streams:
            stream.sendall(follow)
            assert stream.recv(12) == b"HTTP/1.1 200"
        for _ in range(5):
            answer = requests.get(f"{served.url}/health/ready", timeout=5)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "too_many_connections"
            assert answer.headers["retry-after"] == "10"
        # Many at the same time: some are cut without an answer, and none holds a file for long.
        extra = [stack.enter_context(connect(served)) for _ in range(100)]
        eventually(lambda: all(map(is_closed, extra)), timeout=5)
        streams[0].close()
        eventually(lambda: is_ready_now(served))
    said = [r.getMessage() for r in caplog.records if "connection refused" in r.getMessage()]
    assert said == ["connection refused status=503 code=too_many_connections client=127.0.0.1"]


def is_ready_now(served: Served) -> bool:
    try:
        return is_ready(served)
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize(
    ("files", "wanted", "possible"),
    [(1024, 1000, 464), (20_000, 1000, 1000), (-1, 1000, 1000), (119, 1000, 11), (50, 1000, 1)],
)
def test_as_many_connections_as_the_files_of_the_process_allow(
    monkeypatch, caplog, files, wanted, possible
):
    monkeypatch.setattr(limits_module.resource, "getrlimit", lambda _what: (files, files))
    assert possible_connections(wanted) == possible
    assert ("BRIDGECORE_MAX_CONNECTIONS" in caplog.text) == (possible < wanted)


def test_more_files_are_taken_if_the_system_allows_them(monkeypatch, caplog):
    taken = []
    monkeypatch.setattr(
        limits_module.resource, "setrlimit", lambda _what, files: taken.append(files)
    )
    for most in (5000, resource.RLIM_INFINITY, 1500):
        limit = (1024, most)
        monkeypatch.setattr(limits_module.resource, "getrlimit", lambda _what, limit=limit: limit)
        expected = 702 if most == 1500 else 1000
        assert possible_connections(1000) == expected
    assert taken == [(2096, 5000), (2096, resource.RLIM_INFINITY), (1500, 1500)]
    assert len(caplog.records) == 1


def test_with_few_files_readiness_answers_whatever_strangers_open(redis_url, tmp_path):
    port = free_port()
    command = [Path(sys.executable).with_name("bridgecore"), "api"]
    environment = {
        **os.environ,
        "BRIDGECORE_REDIS_URL": redis_url,
        "BRIDGECORE_PORT": str(port),
        "BRIDGECORE_ADMIN_TOKEN": "short",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'ulimit -n 130; exec "$0" "$@"', *command],
            env=environment,
            stderr=log,
        )
    try:
        ready = answers(f"http://127.0.0.1:{port}/health/ready")
        eventually(ready)
        with ExitStack() as stack:
            for _ in range(300):
                address = ("127.0.0.1", port)
                connection = stack.enter_context(socket.create_connection(address, timeout=5))
                connection.sendall(b"GET ")
            began = time.monotonic()
            assert ready()
            assert time.monotonic() - began < 1
    finally:
        process.terminate()
        process.wait(30)
    said = (tmp_path / "log").read_text()
    assert "fewer connections than BRIDGECORE_MAX_CONNECTIONS connections=17" in said
    assert "BRIDGECORE_ADMIN_TOKEN: a token has fewer than 16 characters" in said
    assert "Traceback" not in said


# uvicorn


def test_uvicorn_has_what_the_bounded_protocol_uses():
    """A new version of uvicorn or httptools has moved an attribute that `api.connections` uses or
    overrides. Adapt that module."""
    overridden = {
        name for name in vars(BoundedProtocol) if callable(getattr(BoundedProtocol, name))
    }
    own = {"cut", "_refuse", "_disconnect", "_forget", "_look", "_look_later"}
    assert [name for name in overridden - own if not hasattr(HttpToolsProtocol, name)] == []
    assert not [name for name in own if hasattr(HttpToolsProtocol, name)]
    assert hasattr(HttpToolsProtocol, "_unset_keepalive_if_required")

    assigned = HttpToolsProtocol.__init__.__code__.co_names
    used = {"connections", "transport", "flow", "client", "pipeline", "headers", "cycle", "loop"}
    assert used - set(assigned) == set()
    assert "url" in HttpToolsProtocol.on_message_begin.__code__.co_names
    private = {"_all", "_limits", "_began", "_has_headers", "_bytes_of_headers", "_refused"}
    private |= {"_untaken", "_taken_at", "_timer"}
    assert private & set(assigned) == set()

    cycle = RequestResponseCycle.__init__.__code__.co_names
    assert {"response_complete", "response_started", "disconnected", "message_event"} <= set(cycle)
    assert "read_paused" in FlowControl.__init__.__code__.co_names
    assert hasattr(HttpRequestParser, "feed_data")
