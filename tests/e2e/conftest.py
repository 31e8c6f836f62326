"""The whole system, and Odoo alone for what several transactions do to each other."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack.databases import Databases
from devstack.feed_server import FeedServer, feed_server
from devstack.odoo import Odoo
from devstack.postgres import postgres
from devstack.stack import Stack

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", params=[0, 2], ids=["threaded", "prefork"])
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Sale orders are pushed, contacts are pulled. Production is prefork."""
    with Stack(workers=request.param, handlers="tests.e2e.handlers", pull_interval=1) as stack:
        yield stack


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run scripts that use several transactions, on a database of their own."""
    with postgres() as server:
        odoo = Odoo(server)
        with Databases(odoo).temporary() as database:

            def run(script: str, **parameters: object) -> dict[str, Any]:
                result = odoo.run_script(database, script, **parameters)
                assert isinstance(result, dict)
                return result

            yield run


@pytest.fixture(scope="module")
def feed() -> Iterator[FeedServer]:
    """A feed that several processes serve."""
    with feed_server(workers=2) as server:
        yield server
