"""State, queue and results in a Redis that is reached through a socket of this host."""

import pytest
from bridgecore.config.settings import Settings
from bridgecore.queue.messages import DEFAULT
from bridgecore.runtime import Runtime

from tests.integration.own_redis import server
from tests.support import eventually


@pytest.fixture
def url(tmp_path):
    socket = tmp_path / "redis.sock"
    child = server("socket-redis", tmp_path, port="0", unixsocket=str(socket), requirepass="p/w")
    eventually(socket.exists)
    yield f"unix://:p%2Fw@{socket}?db=3"
    child.stop()


def test_all_parts_understand_the_same_url(url):
    parts = Runtime(Settings.model_validate({"redis_url": url}))
    parts.messages.handle("a", ["res.partner:1"])
    assert parts.storage.redis.llen(f"bridgecore:broker:{DEFAULT}") == 1
    assert parts.celery.backend.client.ping()
    parts.celery.close()
    parts.storage.close()
