"""PostgreSQL: a given server, or the embedded one, and the databases on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn, parse_dsn

from devstack import DevstackError
from devstack.cache import CACHE, digest
from devstack.postgres_cluster import ROLE, Cluster


@dataclass(frozen=True)
class Postgres:
    """A server on which databases can be created."""

    #: As libpq names them: host, port, user, password, …
    parameters: dict[str, str]
    #: Nobody else uses it right now, so what earlier runs left behind may go.
    alone: bool = False

    @property
    def identity(self) -> str:
        """Tells this server from others, for what is remembered about its databases."""
        return digest(*(self.parameters.get(name, "") for name in ("host", "port", "user")))

    @contextmanager
    def connect(self, database: str = "postgres") -> Iterator[Any]:
        """A cursor that commits every statement by itself."""
        try:
            connection = psycopg2.connect(make_dsn(**{**self.parameters, "dbname": database}))
        except psycopg2.OperationalError as error:
            raise DevstackError(f"Cannot connect to PostgreSQL: {error}") from error
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def databases(self) -> list[str]:
        """The names of all databases."""
        with self.connect() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")
            return [name for (name,) in cursor.fetchall()]

    def exists(self, database: str) -> bool:
        return database in self.databases()

    def clone(self, template: str, database: str) -> None:
        """Copy a database that nobody is connected to."""
        self._execute("CREATE DATABASE {} TEMPLATE {}", database, template)

    def rename(self, database: str, new_name: str) -> None:
        self._execute("ALTER DATABASE {} RENAME TO {}", database, new_name)

    def drop(self, database: str) -> None:
        """Drop a database, also if somebody is connected to it or it does not exist."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def _execute(self, statement: str, *names: str) -> None:
        with self.connect() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The server to use: DATABASE_URL if set, else the embedded one while the block runs."""
    url = os.environ.get("DATABASE_URL")
    if url:
        given = Postgres({k: v for k, v in parse_dsn(url).items() if k != "dbname"})
        with given.connect():
            yield given
        return
    cluster = Cluster(CACHE / "postgres")
    with cluster.shared() as alone:
        parameters = {"host": str(cluster.socket_folder), "port": "5432", "user": ROLE}
        yield Postgres(parameters, alone)
