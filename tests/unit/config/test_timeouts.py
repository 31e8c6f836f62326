"""Every client waits as long as we say, and not as long as its library likes."""

import asyncio
import re

import pytest
from bridgecore.config.databases import Source, System
from bridgecore.config.settings import Settings
from bridgecore.config.timeouts import (
    CONNECT_TIMEOUT,
    HEARTBEAT,
    ODOO_TIMEOUTS,
    RESULT_TIMEOUT,
    SOCKET_TIMEOUT,
    STREAM_TIMEOUT,
)
from bridgecore.events import EventName
from bridgecore.odoo.api import OdooApi
from bridgecore.odoo.feed import OdooFeed
from bridgecore.queue.celery_app import create_celery
from bridgecore.storage import Storage

from tests.support import REPOSITORY

URLS = ["redis://a", "rediss://a", "unix:///a", "redis+sentinel://a/m", "rediss+sentinel://a/m"]


def waits(options: dict) -> tuple:
    return options["socket_connect_timeout"], options["socket_timeout"]


def options_of(client) -> dict:
    return client.connection_pool.connection_kwargs


def sentinels_of(client) -> list[dict]:
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    return [options_of(sentinel) for sentinel in manager.sentinels] if manager else []


@pytest.mark.parametrize("url", URLS)
def test_of_redis_and_its_sentinels(url):
    settings = Settings(redis_url=url)
    storage = Storage(settings)
    for client in (storage.redis, settings.redis.client(), settings.redis.async_client()):
        assert waits(options_of(client)) == (CONNECT_TIMEOUT, SOCKET_TIMEOUT)
        assert "retry" in options_of(client)
        for sentinel in sentinels_of(client):
            assert waits(sentinel) == (CONNECT_TIMEOUT, CONNECT_TIMEOUT)
    assert waits(storage.progress._pool.connection_kwargs) == (CONNECT_TIMEOUT, SOCKET_TIMEOUT)


async def _reader(url: str) -> dict:
    async with Storage(Settings(redis_url=url)).live.reader() as reader:
        return options_of(reader._redis)


@pytest.mark.parametrize("url", URLS)
def test_of_the_live_stream(url):
    assert waits(asyncio.run(_reader(url))) == (CONNECT_TIMEOUT, STREAM_TIMEOUT)
    assert STREAM_TIMEOUT > HEARTBEAT + 1


@pytest.mark.parametrize("url", URLS)
def test_of_broker_and_results(url):
    with create_celery(Settings(redis_url=url)) as app:
        assert waits(app.conf.broker_transport_options) == (CONNECT_TIMEOUT, SOCKET_TIMEOUT)
        assert app.conf.broker_connection_timeout == CONNECT_TIMEOUT
        if not url.startswith("unix"):
            assert app.backend.connparams["socket_connect_timeout"] == CONNECT_TIMEOUT
        assert app.backend.connparams["socket_timeout"] == RESULT_TIMEOUT


def test_of_rabbitmq():
    with create_celery(Settings(broker_url="amqp://a")) as app:
        options = app.conf.broker_transport_options
        assert options["read_timeout"] == options["write_timeout"] == SOCKET_TIMEOUT
        assert app.conf.broker_connection_timeout == CONNECT_TIMEOUT


def test_of_odoo(monkeypatch):
    settings = Settings()
    assert settings.feed_timeout == ODOO_TIMEOUTS
    given = []
    monkeypatch.setattr(
        "requests.Session.request", lambda *_, timeout=None, **__: given.append(timeout) or 1 / 0
    )
    source = Source(id="a", url="http://odoo", feed_key="key")
    system = System(name="a", url="http://odoo", api_key="key")
    feed, api = OdooFeed(source, settings.feed_timeout), OdooApi(system, settings.feed_timeout)
    for call in (
        lambda: feed.pull(0, 1, False),
        lambda: feed.mark_processed([EventName(1)], {}),
        feed.backlog,
        lambda: api.call("a", "b"),
    ):
        with pytest.raises(ZeroDivisionError):
            call()
    assert given == [ODOO_TIMEOUTS] * 4


def test_no_other_place_makes_clients():
    """Elsewhere nobody thinks of timeouts."""
    makes = re.compile(r"\b(?:Redis|aioredis\.Redis)(?:\.from_url)?\(|requests\.(?:get|post)\(")
    folder = REPOSITORY / "receiver" / "bridgecore"
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if makes.search(path.read_text("utf-8"))
    }
    assert found == {"config/redis_address.py"}
