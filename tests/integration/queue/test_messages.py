"""Messages are sent although Redis, which is also the broker, goes and comes back."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
from bridgecore.api import create_app
from bridgecore.config.databases import Source
from bridgecore.config.settings import Settings
from bridgecore.config.timeouts import SOCKET_TIMEOUT
from bridgecore.errors import QueueUnavailable
from bridgecore.queue.messages import DEFAULT
from bridgecore.runtime import Runtime
from fastapi.testclient import TestClient

from tests.integration.api_calls import RECEIVE, TOKEN
from tests.integration.fake_odoo import wire
from tests.integration.own_redis import OwnRedis
from tests.support import eventually


@pytest.fixture
def redis(tmp_path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
def parts(redis) -> Iterator[Runtime]:
    source = Source(id="a", url="http://odoo", feed_key="key", push_tokens=["token"])
    made = Runtime(Settings(redis_url=redis.url, sources=[source], catch_up_timeout=0))
    yield made
    made.celery.close()
    made.storage.close()


def test_a_push_without_a_broker_gets_503_and_is_queued_when_it_comes_again(redis, parts):
    with TestClient(create_app(parts)) as client:

        def push(event_id):
            return client.post(RECEIVE, json=wire(event_id), headers=TOKEN)

        assert push(1).status_code == 200  # connections are open now

        redis.stop()
        for path in ("/health/ready", None):
            response = client.get(path) if path else push(2)
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) > 0
        assert client.get("/health/live").status_code == 200

        redis.start()
        eventually(lambda: client.get("/health/ready").status_code == 200)
        assert push(2).json() == {"success": True, "accepted": 1, "duplicates": 0}
        queue = f"bridgecore:broker:{DEFAULT}"
        assert parts.storage.redis.llen(queue) == 1


def test_a_connection_that_went_stale_is_replaced(redis, parts):
    parts.messages.handle("a", ["res.partner:1"])
    parts.storage.redis.client_kill_filter(_type="normal")
    parts.messages.handle("a", ["res.partner:2"])
    assert parts.storage.redis.llen(f"bridgecore:broker:{DEFAULT}") == 2


def test_a_broker_that_does_not_answer_is_waited_for_once(redis, parts):
    """The sender needs the error while it still waits for an answer."""
    parts.messages.handle("a", ["res.partner:1"])
    pid = parts.storage.redis.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(QueueUnavailable, match="no answer in time"):
            parts.messages.handle("a", ["res.partner:2"])
        assert time.monotonic() - began < 1.5 * SOCKET_TIMEOUT
    finally:
        os.kill(pid, signal.SIGCONT)
    parts.messages.handle("a", ["res.partner:3"])
