"""The application of one API process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from bridgecore.accepting.authentication import Authenticator
from bridgecore.accepting.intake import Intake
from bridgecore.api import dead_letters, health, metrics, operations, reading, receiving, streaming
from bridgecore.api.errors import ERROR_RESPONSES, add_error_handlers
from bridgecore.api.refusals import Refusals
from bridgecore.runtime import Runtime

DESCRIPTION = """
Receives the changes of Odoo databases, each once and in order.

*Receiving* is for Odoo: its pushes prove themselves by signature, Bearer token or API key.
Everything else is for administrators and wants `BRIDGECORE_ADMIN_TOKEN` as Bearer token.
An event's **key** is `<event id>@<timestamp>`; with its source it is the same event for ever.
"""


def create_app(parts: Runtime) -> FastAPI:
    """The application of one API process, made of the given parts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.intake.start()
        async with app.state.refusals.told():
            yield
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
    app.state.closing = streaming.Closing()
    add_error_handlers(app)
    # Past FastAPI, which costs as much as all that the receiver does; its router describes it.
    app.add_route(receiving.PATH, receiving.receive, methods=["POST"])
    modules = (receiving, streaming, reading, dead_letters, operations, metrics, health)
    for module in modules:
        app.include_router(module.router)
    return app
