"""The live stream, over a real connection: handled events, resumed where a reader left off."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.integration.api_calls import ADMIN, error_of
from tests.integration.own_redis import OwnRedis
from tests.integration.parts import Parts
from tests.integration.served import Served
from tests.support import eventually


@contextmanager
def follow(served, last="", **query) -> Iterator[Iterator[dict]]:
    headers = {**ADMIN, **({"Last-Event-ID": last} if last else {})}
    with requests.get(
        f"{served.url}/api/v1/stream", params=query, headers=headers, stream=True, timeout=10
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.iter_lines(decode_unicode=True))


def messages(lines) -> Iterator[dict]:
    """What an EventSource would hand out; the first comment is waited for."""
    message = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and message:
            yield message
            message = {}
        elif name == "" and value:
            yield {"comment": value}
        elif line:
            message[name] = json.loads(value) if name == "data" else value


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
        assert next(stream) == {"comment": "connected"}
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
