"""A PostgreSQL of the benchmark's own, whose changes can be read by logical replication."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from devstack import console
from devstack.cache import CACHE, locked
from devstack.postgres import Postgres, postgres
from devstack.postgres_cluster import ROLE, Cluster

#: What is not flushed is not replicated, so with asynchronous commits, as the tests have them,
#: whoever reads the changes would wait for up to 0.2 s.
_MORE_SETTINGS = """
wal_level = logical
synchronous_commit = on
"""


class LogicalCluster(Cluster):
    """The embedded cluster with other settings; one run at a time uses it."""

    @contextmanager
    def exclusive(self, fsync: bool) -> Iterator[Postgres]:
        """Use the cluster while the block runs; with fsync, a commit waits for the disk."""
        with locked("postgres-push", lambda: console.say("Another run is measuring; waiting.")):
            self._ensure_running()
            try:
                parameters = {"host": str(self.socket_folder), "port": "5432", "user": ROLE}
                server = Postgres(parameters, alone=True)
                with server.connect() as cursor:
                    cursor.execute(f"ALTER SYSTEM SET fsync = {'on' if fsync else 'off'}")
                    cursor.execute("SELECT pg_reload_conf()")
                yield server
            finally:
                self._run("pg_ctl", "stop", "-D", self.data, "-m", "fast", "-w")

    def _create(self) -> None:
        super()._create()
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(_MORE_SETTINGS)


@contextmanager
def replicating_postgres(fsync: bool) -> Iterator[Postgres]:
    """The server to use: DATABASE_URL if set, else one of the benchmark's own."""
    if os.environ.get("DATABASE_URL"):
        with postgres() as given:
            yield given
    else:
        with LogicalCluster(CACHE / "postgres-push").exclusive(fsync) as own:
            yield own


def replicates(server: Postgres) -> bool:
    """Whether its changes can be read by logical replication."""
    with server.connect() as cursor:
        cursor.execute("SHOW wal_level")
        return bool(cursor.fetchone() == ("logical",))
