"""The API on a port of its own, in a thread of this process."""

import socket
import threading
from types import TracebackType

from bridgecore.api.limits import Limits
from bridgecore.api.server import create_server
from bridgecore.runtime import Runtime

from tests.support import eventually


class Served:
    """Serves while the block runs."""

    def __init__(self, parts: Runtime, limits: Limits | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = create_server(parts, limits or Limits())
        self._thread = threading.Thread(target=self.server.run, args=([self._listener],))

    def __enter__(self) -> "Served":
        self._thread.start()
        eventually(lambda: self.server.started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()
