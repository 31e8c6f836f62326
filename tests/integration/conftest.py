"""Real services that the tests of this folder share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bridgecore.api import create_app
from fastapi.testclient import TestClient

from devstack.redis_server import redis_server
from tests.integration.fake_odoo import FakeOdoo, fake_odoo
from tests.integration.parts import Parts


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


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
def admin(parts: Parts) -> Iterator[TestClient]:
    """The API, called with the admin token; of a receiver whose settings have it."""
    with TestClient(
        create_app(parts),
        raise_server_exceptions=False,
        headers={"Authorization": "Bearer admin"},
    ) as client:
        yield client
