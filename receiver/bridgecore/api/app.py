"""Builds the web application of an API process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from bridgecore.accepting.authentication import Authenticator
from bridgecore.accepting.intake import Intake
from bridgecore.api import dead_letters, health, metrics, operations, reading, receiving, streaming
from bridgecore.api.bodies import LargeBodies
from bridgecore.api.errors import ERROR_RESPONSES, add_error_handlers
from bridgecore.api.refusals import Refusals
from bridgecore.runtime import Runtime

DESCRIPTION = """
Receives the changes of Odoo databases, each once and in order.

**Receiving** is for Odoo. A push authenticates with a signature, a Bearer token or an API key.

**All other routes** are for administrators. Send the value of `BRIDGECORE_ADMIN_TOKEN` as Bearer
token. `GET /metrics` also accepts `BRIDGECORE_METRICS_TOKEN`; `/health/…` needs no token.

A **source** is one Odoo database, named by its `database.uuid`. The **key** of an event is
`<event id>@<timestamp>`. Source and key together identify an event for ever.
"""


#: bodies of the largest size that may be read at the same time before their signature is checked
_LARGE_BODIES = 8
#: seconds between two looks at Redis' memory
_ROOM_INTERVAL = 1.0


#: seconds between two reports of the instances that pushes have named
_INSTANCES_INTERVAL = 10.0


async def _report_instances(parts: Runtime) -> None:
    while True:
        await asyncio.sleep(_INSTANCES_INTERVAL)
        await parts.instances.report()


async def _keep_room(parts: Runtime) -> None:
    """Look after Redis' memory. Not a task of a worker: a full Redis takes no messages."""
    while True:
        await asyncio.sleep(_ROOM_INTERVAL)
        await asyncio.to_thread(parts.keep_room)


def create_app(parts: Runtime) -> FastAPI:
    """Return the application of an API process that uses these parts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.intake.start()
        async with app.state.refusals.reporting():
            tasks = [asyncio.create_task(f(parts)) for f in (_keep_room, _report_instances)]
            yield
            for task in tasks:
                task.cancel()
            await parts.instances.report()
        await app.state.intake.stop()

    app = FastAPI(
        title="BridgeCore receiver",
        version=version("bridgecore-receiver"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        responses=ERROR_RESPONSES,
    )
    app.state.parts = parts
    app.state.intake = Intake(parts.acceptance)
    app.state.authenticator = Authenticator(parts.settings.sources)
    app.state.refusals = Refusals(parts.storage)
    app.state.large_bodies = LargeBodies(_LARGE_BODIES * parts.settings.max_body_bytes)
    app.state.shutdown = streaming.Shutdown()
    add_error_handlers(app)
    # This route bypasses FastAPI, which would double the time of a push. The router of `receiving`
    # only adds the route to the API description.
    app.add_route(receiving.PATH, receiving.receive, methods=["POST"])
    modules = (receiving, streaming, reading, dead_letters, operations, metrics, health)
    for module in modules:
        app.include_router(module.router)
    return app
