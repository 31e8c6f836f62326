"""The whole system, started once for each kind of Odoo server."""

from collections.abc import Iterator

import pytest

from devstack.stack import Stack


@pytest.fixture(scope="module", params=[0, 2], ids=["threaded", "prefork"])
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Sale orders are pushed, contacts are pulled. Production is prefork."""
    with Stack(workers=request.param, handlers="tests.e2e.handlers", pull_interval=1) as stack:
        yield stack
