"""The whole system, running: PostgreSQL, Redis, Odoo with the addon, and the receiver."""

from __future__ import annotations

import base64
import json
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from devstack import console
from devstack.databases import Databases
from devstack.json2 import Json2
from devstack.odoo import Odoo, Server
from devstack.postgres import Postgres, postgres
from devstack.process import free_port
from devstack.receiver import Receiver
from devstack.redis_server import redis_server

#: Shows a step while a piece of work runs; `console.step` for people.
Progress = Callable[[str], AbstractContextManager[Any]]

_SETUP_SCRIPT = Path(__file__).with_name("stack_setup.py")


@dataclass(frozen=True)
class Tracked:
    """A model whose changes are recorded; the names are those of `webhook.config`."""

    model: str
    priority: str = "medium"
    instant_send: bool = False


SALES = (Tracked("sale.order", "high", instant_send=True), Tracked("res.partner"))


@dataclass
class Stack:
    """Everything together, on a fresh database, while the `with` block runs."""

    tracked: Sequence[Tracked] = SALES
    handlers: str = "devstack.demo_handlers"
    #: 0: threads; more: prefork, as in production
    workers: int = 0
    #: seconds between two pulls
    pull_interval: float = 2
    #: more settings of the receiver, `BRIDGECORE_…`
    receiver_settings: Mapping[str, str] = field(default_factory=dict)
    #: more addons to install
    extra_modules: Sequence[str] = ()
    progress: Progress = console.step

    postgres: Postgres = field(init=False)
    odoo: Odoo = field(init=False)
    database: str = field(init=False)
    server: Server = field(init=False)
    receiver: Receiver = field(init=False)
    #: Odoo's external API, as the administrator
    api: Json2 = field(init=False)
    #: `database.uuid`
    source: str = field(init=False)
    _exits: ExitStack = field(init=False, repr=False)

    def __enter__(self) -> Stack:
        with ExitStack() as exits:
            self._start(exits)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An impatient second Ctrl-C must not leave half of it running.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with self.progress("Stopping everything"):
                self._exits.close()
        finally:
            signal.signal(signal.SIGINT, before)

    def _start(self, exits: ExitStack) -> None:
        with self.progress("Starting PostgreSQL and Redis"):
            self.postgres = exits.enter_context(postgres())
            redis_url = exits.enter_context(redis_server())
        self.odoo = Odoo(self.postgres)
        databases = Databases(self.odoo)
        self.database = exits.enter_context(databases.temporary(self.extra_modules))

        port = free_port()
        url = f"http://127.0.0.1:{port}"
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.receiver = Receiver(redis_url)
        with self.progress("Configuring the webhooks in Odoo"):
            made = self.odoo.run_script(
                self.database,
                _SETUP_SCRIPT.read_text(),
                url=url,
                push_url=self.receiver.push_url,
                secret=secret,
                tracked=[vars(tracked) for tracked in self.tracked],
            )
        self.source = made["source"]
        self.api = Json2(url, self.database, made["admin_key"])
        self.receiver.settings = {
            "BRIDGECORE_SOURCES": json.dumps(
                [
                    {
                        "id": self.source,
                        "name": "devstack",
                        "url": url,
                        "database": self.database,
                        "feed_key": made["feed_key"],
                        "signing_secrets": [secret],
                    }
                ]
            ),
            "BRIDGECORE_HANDLERS": self.handlers,
            "BRIDGECORE_PULL_INTERVAL": str(self.pull_interval),
            **self.receiver_settings,
        }
        with self.progress("Starting Odoo and the receiver"):
            self.server = self.odoo.serve(self.database, port=port, workers=self.workers)
            exits.callback(self.server.stop)
            exits.callback(self.receiver.stop)
            self.receiver.launch("api", "worker")
            self.server.wait_until_ready()
            self.receiver.wait_until_ready("api", "worker")
            self.receiver.start("beat")  # its first pull finds everything up
            self.receiver.children["beat"].wait_until(self.receiver.has_read_feeds, timeout=60)

    def check(self) -> None:
        """Raise if something that should be running has died."""
        if not self.server.child.alive():
            raise self.server.child.error("died")
        self.receiver.check()

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read Odoo's database directly: Odoo's own API drops fractions of seconds."""
        with self.postgres.connect(self.database) as cursor:
            cursor.execute(query, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
