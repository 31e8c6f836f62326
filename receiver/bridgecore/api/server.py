"""Serves the application until it is asked to end."""

import logging
import socket

import uvicorn

from bridgecore.api.app import create_app
from bridgecore.running.garbage import collect_rarely
from bridgecore.runtime import Runtime

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Ends live streams when it is asked to end; it would wait for them."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            if not self.lifespan.should_exit:  # uvicorn has logged what the system said
                log.error("if the port is in use, set BRIDGECORE_PORT; else see BRIDGECORE_HOST")
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.loaded_app.app.state.closing.ask()
        await super().shutdown(sockets)


def run(parts: Runtime) -> None:
    """Serve the endpoint at the address of the settings."""
    app = create_app(parts)
    config = uvicorn.Config(
        app,
        host=parts.settings.host,
        port=parts.settings.port,
        log_config=None,
        access_log=False,
        # Senders' connection pools should find their connections open.
        timeout_keep_alive=65,
        timeout_graceful_shutdown=30,
    )
    server = Server(config)
    collect_rarely()
    server.run()
    if not server.started:
        raise SystemExit(3)
