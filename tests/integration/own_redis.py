"""A Redis server of a test's own, which the test may stop, kill or configure."""

from pathlib import Path

from devstack.process import Child, free_port, listens
from devstack.redis_server import server_program


class OwnRedis:
    """A Redis server on a port. It keeps no data on disk unless an option says so.

    Parameters:
        folder: where the server keeps its files.
        options: as in redis.conf, with `_` for `-`.
    """

    def __init__(self, folder: Path, port: int | None = None, **options: str) -> None:
        self.port, self.folder = port or free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = {"bind": "127.0.0.1", "port": str(self.port), **options}
        self.start()

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.child = server("own-redis", self.folder, **self._options)
        self.child.wait_until(listens(self.port), timeout=15)

    def stop(self) -> None:
        self.child.stop()

    def kill(self, forget: bool = False) -> None:
        """Kill the server, and delete its data if they are to be forgotten."""
        self.child.process.kill()
        self.child.process.wait()
        if forget:
            for path in sorted(self.folder.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()


def server(name: str, folder: Path, **options: str) -> Child:
    """Start a Redis server without waiting for it."""
    given = {"dir": str(folder), "save": "", **options}
    words = [
        word for option, value in given.items() for word in (f"--{option.replace('_', '-')}", value)
    ]
    return Child(name, [server_program(), *words])


def sentinel(configuration: Path) -> Child:
    """Start a Sentinel without waiting for it."""
    return Child("sentinel", [server_program(), configuration, "--sentinel"])
