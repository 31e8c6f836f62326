"""What cannot be reached is named, with the reason and without user and password."""

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator

import pytest
from bridgecore.cli import main
from bridgecore.config.databases import Source
from bridgecore.config.redis_address import redis_address
from bridgecore.errors import FeedUnavailable
from bridgecore.odoo.feed import OdooFeed
from bridgecore.queue.messages import FEED
from bridgecore.reasons import reason
from bridgecore.runtime import runtime
from click.testing import CliRunner
from redis.exceptions import RedisError

from devstack.process import Child, free_port, listens
from devstack.redis_server import _program
from tests.integration.fake_odoo import answer, hang_up


@pytest.fixture
def start_redis(tmp_path) -> Iterator[Callable[[int], None]]:
    """Starts one with a password on a port."""
    started: list[Child] = []

    def start(port: int) -> None:
        options = ["--port", str(port), "--dir", tmp_path, "--save", "", "--requirepass", "secret"]
        started.append(Child("redis", [_program(), *options]))
        started[0].wait_until(listens(port), timeout=15)

    yield start
    for child in started:
        child.stop()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
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


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://user:secret@redis.example/0", "redis.example:6379"),
        ("rediss://:secret@[::1]:6380", "[::1]:6380"),
        ("unix://:secret@/run/redis.sock", "/run/redis.sock"),
        ("redis+sentinel://:secret@a,b:1/events", "events of a:26379, b:1"),
    ],
)
def test_where_a_redis_is_without_its_password(url, where):
    assert redis_address(url).location == where


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


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"code": "busy", "message": "Too many\ncalls."}}, " (Too many calls)."),
        ({"error": {"message": "x" * 1000}}, f" ({'x' * 200})."),
        ({"error": "no"}, "."),
        ([], "."),
    ],
    ids=["of a feed", "long", "of another", "a list"],
)
def test_what_odoo_says_of_its_error(odoo, body, said):
    odoo.feed("a").misbehave.append(answer(429, json.dumps(body)))
    assert feed_error(odoo.url("a")).endswith(f"answered 429{said}")


def test_a_command_names_the_redis_that_it_cannot_use(start_redis, monkeypatch):
    port = free_port()
    start_redis(port)
    monkeypatch.setenv("BRIDGECORE_REDIS_URL", f"redis://:other@127.0.0.1:{port}/0")
    monkeypatch.setenv(
        "BRIDGECORE_SOURCES", '[{"id": "a", "url": "http://odoo", "feed_key": "key"}]'
    )
    runtime.cache_clear()
    said = CliRunner().invoke(main, ["dead-letters", "list"]).output
    runtime.cache_clear()
    assert f"Redis at 127.0.0.1:{port} cannot be used (wrong user or password)" in said
    assert "other" not in said


@pytest.mark.parametrize("name", ["BRIDGECORE_REDIS_URL", "BRIDGECORE_BROKER_URL"])
def test_the_clock_waits_for_its_broker(redis_url, start_redis, name):
    port = free_port()
    environment = {
        **os.environ,
        "BRIDGECORE_REDIS_URL": redis_url,
        name: f"redis://:secret@127.0.0.1:{port}/0",
    }
    beat = Child("beat", [sys.executable, "-m", "bridgecore.cli", "beat"], environment=environment)
    try:
        beat.wait_until(beat.logged(f"waiting for 127.0.0.1:{port}: The broker"), timeout=60)
        assert beat.logged("(connection refused): check BRIDGECORE_BROKER_URL")()
        start_redis(port)
        queue = redis_address(environment[name]).client()
        beat.wait_until(lambda: queue.llen(f"bridgecore:broker:{FEED}") > 0, timeout=30)
        assert beat.tail(100).count("waiting for") == 1
        assert "secret" not in beat.tail(100)
    finally:
        beat.stop()
