"""The live stream, over a real connection: handled events, resumed where a reader left off."""

import json
import logging
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

import pytest
import requests
from bridgecore.config.timeouts import HEARTBEAT, SOCKET_TIMEOUT

from tests.integration.api.raw import connect, head
from tests.integration.api_calls import ADMIN, error_of
from tests.integration.own_redis import OwnRedis
from tests.integration.parts import Parts
from tests.integration.served import Served
from tests.support import eventually


@contextmanager
def follow(served, last="", **query) -> Iterator[Iterator[dict]]:
    headers = {**ADMIN, **({"Last-Event-ID": last} if last else {})}
    with requests.get(
        f"{served.url}/api/v1/stream", params=query, headers=headers, stream=True, timeout=20
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.iter_lines(decode_unicode=True))


def messages(lines) -> Iterator[dict]:
    """The messages of a stream; the text of a comment under `comment`."""
    message = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            message[name or "comment"] = json.loads(value) if name == "data" else value
        elif message:
            yield message
            message = {}


@pytest.fixture
def served(parts) -> Iterator[Served]:
    with Served(parts) as served:
        yield served


def handle(parts, *ids, **facts):
    parts.push(*(parts.event(n, **facts) for n in ids))
    parts.deliver()


def next_event(stream):
    return next(message for message in stream if "data" in message)


def test_events_come_as_they_are_handled_with_their_content(parts, served):
    handle(parts, 1)
    with follow(served) as stream:
        first = next(stream)
        assert first["comment"] == "connected"
        assert set(first) == {"comment", "id"}  # no event for an EventSource
        handle(parts, 2, event="create")
        message = next_event(stream)
    assert message["event"] == "create"
    assert message["id"]
    assert message["data"]["event_id"] == 2
    assert message["data"]["payload"] == {"name": "Partner 2"}


def test_a_reader_that_comes_back_misses_nothing(parts, served):
    with follow(served) as stream:
        next(stream)
        handle(parts, 1, 2)
        first = next_event(stream)
    handle(parts, 3)
    with follow(served, last=first["id"]) as stream:
        assert [next_event(stream)["data"]["event_id"] for _ in range(2)] == [2, 3]


def test_a_reader_that_comes_back_before_its_first_event_misses_nothing(parts, served):
    handle(parts, 1)
    with follow(served) as stream:
        position = next(stream)["id"]
    handle(parts, 2)
    with follow(served, last=position) as stream:
        assert next(stream)["id"] == position
        assert next_event(stream)["data"]["event_id"] == 2


def test_the_first_position_of_an_empty_source_is_the_beginning(parts, served):
    with follow(served) as stream:
        assert next(stream)["id"] == "0-0"


def test_a_reader_of_one_model_learns_how_far_the_others_are(parts, served):
    with follow(served, model="sale.*") as stream:
        start = next(stream)["id"]
        handle(parts, 1)
        later = next(stream)
    assert set(later) == {"comment", "id"}
    assert later["id"] > start


def test_one_model(parts, served):
    with follow(served, model="sale.*") as stream:
        next(stream)
        handle(parts, 1)
        handle(parts, 2, model="sale.order")
        assert next_event(stream)["data"]["event_id"] == 2


@pytest.mark.parametrize("position", ["nonsense", "1-1-1", "-1-0"])
def test_a_position_that_is_none_is_refused(served, position):
    headers = {**ADMIN, "Last-Event-ID": position}
    answer = requests.get(f"{served.url}/api/v1/stream", headers=headers, timeout=10)
    assert error_of(answer) == (422, "invalid_cursor")


def test_an_unknown_source_is_an_error_before_the_stream_begins(served):
    url = f"{served.url}/api/v1/stream?source=x"
    assert error_of(requests.get(url, headers=ADMIN, timeout=10)) == (404, "unknown_source")


def test_it_ends_in_order_when_redis_goes_away(odoo, tmp_path, caplog):
    redis = OwnRedis(tmp_path / "redis")
    parts = Parts(redis.url, odoo)
    with Served(parts) as served, follow(served) as stream:
        next(stream)
        # The stream is waiting for Redis.
        eventually(lambda: parts.storage.redis.info("clients")["blocked_clients"])
        redis.stop()
        assert list(stream) == []
    parts.storage.close()
    (line,) = (r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)
    assert line.startswith(f"live stream ended source={parts.source} error=")


def test_the_process_ends_although_a_reader_follows(parts, served):
    with follow(served) as stream:
        next(stream)
        served.stop()
        assert list(stream) == []


def test_a_client_that_leaves_at_once_leaves_no_trace_in_the_log(parts, served, caplog):
    handle(parts, *range(1, 50), payload={"name": "x" * 20_000})
    follow_all = head("GET", "/api/v1/stream", authorization="Bearer admin", last_event_id="0-0")
    for number in range(40):
        with connect(served) as connection:
            connection.sendall(follow_all)
            if number % 4:
                connection.recv(10_000 * number)
            if number % 2:  # with a reset, because something is unread or because of SO_LINGER
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: not served.server.server_state.tasks)
    assert not caplog.records
    # Their connections to Redis are closed, too; the quiet stream of the session has one.
    eventually(lambda: parts.storage.redis.info("clients")["blocked_clients"] <= 1)


#: Seconds that a quiet stream is watched. Longer than every timeout of a library or a proxy that we
#: know of, up to that of a router that forgets a connection after two minutes.
QUIET = 130


def test_a_stream_lives_for_minutes_without_an_event(quiet_stream):
    """The stream was opened when the session began, so this test, the last one, waits little."""
    parts, answer, opened = quiet_stream
    while time.monotonic() - opened < QUIET:
        time.sleep(1)
    handle(parts, 1)
    stream = messages(answer.iter_lines(decode_unicode=True))
    signs_of_life = list(takewhile(lambda message: "data" not in message, stream))
    assert len(signs_of_life) > (QUIET - SOCKET_TIMEOUT) / HEARTBEAT
    assert {message["id"] for message in signs_of_life} == {"0-0"}
