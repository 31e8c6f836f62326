"""Runs the web server of an API process until it is asked to end."""

import logging
import socket

import uvicorn

from bridgecore.api.app import create_app
from bridgecore.api.connections import Connections, is_bounded
from bridgecore.api.limits import Limits, possible_connections
from bridgecore.config.settings import SHORTEST_TOKEN
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


def create_server(parts: Runtime, limits: Limits) -> Server:
    """Return a server for the API that is not started yet."""
    config = uvicorn.Config(
        create_app(parts),
        host=parts.settings.host,
        port=parts.settings.port,
        http=Connections(limits).protocol,  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=limits.idle_time,
        timeout_graceful_shutdown=30,
    )
    logging.getLogger("uvicorn.error").addFilter(is_bounded)
    return Server(config)


def run(parts: Runtime) -> None:
    """Serve the API at the host and port of the settings.

    Raises:
        SystemExit: with status 3 if the server cannot listen there.
    """
    for name in parts.settings.weak_tokens:
        log.warning(
            "%s: a token has fewer than %d characters and might be guessed; make one with: "
            "openssl rand -hex 32",
            name,
            SHORTEST_TOKEN,
        )
    connections = possible_connections(parts.settings.max_connections)
    server = create_server(parts, Limits(connections=connections))
    collect_rarely()
    server.run()
    if not server.started:
        raise SystemExit(3)
