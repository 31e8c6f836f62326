"""Runs the web server of an API process until it is asked to end."""

import logging
import socket

import uvicorn

from bridgecore.api.app import create_app
from bridgecore.running.garbage import collect_rarely
from bridgecore.runtime import Runtime

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server that ends live streams when it shuts down. uvicorn would wait for them to end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            if not self.lifespan.should_exit:  # uvicorn has logged the system's reason
                log.error(
                    "cannot listen at this address: if the port is in use, set BRIDGECORE_PORT; "
                    "otherwise check BRIDGECORE_HOST"
                )
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.loaded_app.app.state.shutdown.begin()
        await super().shutdown(sockets)


def run(parts: Runtime) -> None:
    """Serve the API at the host and port of the settings.

    Raises:
        SystemExit: with status 3 if the server cannot listen there.
    """
    app = create_app(parts)
    config = uvicorn.Config(
        app,
        host=parts.settings.host,
        port=parts.settings.port,
        log_config=None,
        access_log=False,
        # seconds; long, so that the connections in the pools of senders stay open
        timeout_keep_alive=65,
        timeout_graceful_shutdown=30,
    )
    server = Server(config)
    collect_rarely()
    server.run()
    if not server.started:
        raise SystemExit(3)
