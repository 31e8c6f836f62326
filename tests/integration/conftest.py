"""Real services, and the parts of a receiver, that the tests of this folder share."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from bridgecore.api import create_app
from fastapi.testclient import TestClient

from devstack.redis_server import redis_server
from tests.integration.api_calls import ADMIN
from tests.integration.failing import Broken
from tests.integration.fake_odoo import FakeOdoo, fake_odoo
from tests.integration.own_redis import OwnRedis
from tests.integration.parts import Parts
from tests.integration.served import Served


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Starts a Redis server on a port; its password is `secret`."""
    started: list[OwnRedis] = []

    def start(port: int) -> None:
        started.append(OwnRedis(tmp_path / "redis", port, requirepass="secret"))

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def odoo() -> Iterator[FakeOdoo]:
    with fake_odoo() as server:
        yield server


@pytest.fixture
def make_parts(redis_url: str, odoo: FakeOdoo) -> Iterator[Callable[..., Parts]]:
    """Makes the parts of a receiver with a source of its own; takes settings."""
    made: list[Parts] = []

    def make(**settings: Any) -> Parts:
        made.append(Parts(redis_url, odoo, **settings))
        made[-1].read_feed()
        return made[-1]

    yield make
    for parts in made:
        parts.storage.close()


@pytest.fixture
def parts(make_parts: Callable[..., Parts]) -> Parts:
    """A receiver whose handler writes down the events that it gets."""
    made = make_parts()
    made.record_effects()
    return made


@pytest.fixture
def broken() -> Broken:
    """A handler that fails until a test mends it."""
    return Broken()


@pytest.fixture
def two_dead_letters(make_parts: Callable[..., Parts], broken: Broken) -> Parts:
    """A receiver that has given up two events, of different models; Odoo knows it."""
    parts = make_parts(max_attempts=2)
    parts.record_effects()
    parts.registry.on()(broken)
    parts.push(parts.event(1), parts.event(2, record_id=2, model="sale.order"))
    parts.deliver()
    assert set(parts.odoo.failed) == {1, 2}
    broken.events.clear()
    return parts


def api(parts: Parts, headers: dict[str, str]) -> TestClient:
    return TestClient(create_app(parts), raise_server_exceptions=False, headers=headers)


@pytest.fixture
def client(parts: Parts) -> Iterator[TestClient]:
    """The API, called without any token."""
    with api(parts, {}) as client:
        yield client


@pytest.fixture
def admin(parts: Parts) -> Iterator[TestClient]:
    """The API, called with the admin token."""
    with api(parts, ADMIN) as client:
        yield client


class QuietStream(NamedTuple):
    parts: Parts
    answer: requests.Response
    #: by the monotonic clock
    opened: float


@pytest.fixture(scope="session")
def quiet_stream(redis_url: str, odoo: FakeOdoo) -> Iterator[QuietStream]:
    """A live stream of a source without events, open since the session began."""
    parts = Parts(redis_url, odoo)
    parts.read_feed()
    with (
        Served(parts) as served,
        requests.get(
            f"{served.url}/api/v1/stream",
            headers={"Authorization": "Bearer admin"},
            stream=True,
            timeout=20,
        ) as answer,
    ):
        yield QuietStream(parts, answer, time.monotonic())
    parts.storage.close()


def _needs_quiet_stream(item: Any) -> bool:
    return "quiet_stream" in item.fixturenames


@pytest.fixture(scope="session", autouse=True)
def _open_the_quiet_stream_early(request: pytest.FixtureRequest) -> None:
    if any(map(_needs_quiet_stream, request.session.items)):
        request.getfixturevalue("quiet_stream")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_needs_quiet_stream)  # last, because they wait until the stream is old enough
