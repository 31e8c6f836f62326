"""An error names the server that cannot be reached and the reason, without user and password."""

import socket
from collections.abc import Iterator

import pytest
from bridgecore.config.databases import Source
from bridgecore.config.redis_address import redis_address
from bridgecore.errors import FeedUnavailable
from bridgecore.odoo.feed import OdooFeed
from bridgecore.reasons import reason
from redis.exceptions import RedisError

from devstack.process import free_port
from tests.integration.fake_odoo import hang_up


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def why_not(url: str) -> str:
    with pytest.raises(RedisError) as error:
        redis_address(url).client(socket_timeout=0.1).ping()
    return reason(error.value)


def test_redis(start_redis, silent, tmp_path):
    port = free_port()
    assert why_not(f"redis://127.0.0.1:{port}") == "connection refused"
    assert why_not("redis://nowhere.invalid") == "unknown host"
    assert why_not(f"redis://127.0.0.1:{silent}") == "no answer in time"
    assert why_not(f"unix://{tmp_path}/redis.sock").startswith("no such file")
    start_redis(port)
    assert why_not(f"rediss://127.0.0.1:{port}?ssl_ca_certs=/no/ca.pem").startswith("no such file")
    assert why_not(f"redis://user:other@127.0.0.1:{port}") == "wrong user or password"
    assert why_not(f"redis://127.0.0.1:{port}") == "wrong user or password"
    assert why_not(f"rediss://127.0.0.1:{port}") in (
        "no TLS connection is possible", "the server closed the connection", "no answer in time"
    )  # fmt: skip


def feed_error(url: str) -> str:
    source = Source(id="a", url=url, feed_key="secret")
    with pytest.raises(FeedUnavailable) as error:
        OdooFeed(source, (1, 0.1)).pull(0, 1, include_processed=False)
    return str(error.value)


def test_odoo(silent, odoo, monkeypatch):
    port = free_port()
    assert f"127.0.0.1:{port}/api/webhooks/pull cannot be reached (connection refused)" in (
        feed_error(f"http://127.0.0.1:{port}")
    )
    assert "(unknown host)" in feed_error("http://nowhere.invalid:8069")
    assert "(no answer in time)" in feed_error(f"http://127.0.0.1:{silent}")
    odoo.feed("a").misbehave.append(hang_up)
    assert "(the server closed the connection)" in feed_error(odoo.url("a"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/ca.pem")
    assert "/no/ca.pem" in feed_error("https://127.0.0.1")
