"""Serves the application until it is asked to end."""

import socket

import uvicorn

from bridgecore.api.app import create_app
from bridgecore.runtime import Runtime


class Server(uvicorn.Server):
    """Ends live streams when it is asked to end; it would wait for them."""

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
    server.run()
    if not server.started:
        raise SystemExit(3)
