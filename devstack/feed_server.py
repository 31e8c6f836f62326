"""An Odoo whose feed can be called, alone: for tests and benchmarks of the pull side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from devstack.databases import Databases
from devstack.odoo import Odoo, Server
from devstack.postgres import Postgres, postgres

_SETUP = """
def key_of(login, group):
    user = env["res.users"].create({
        "name": login, "login": login, "group_ids": [
            (6, 0, [env.ref("base.group_user").id, env.ref("auto_webhook_odoo." + group).id])],
    })
    # sudo: only a system administrator may make keys that do not expire
    return env["res.users.apikeys"].with_user(user).sudo()._generate("webhook", "devstack", None)

# contacts, because everybody can change them; nothing of the users themselves
result = {
    "consumer": key_of("consumer", "group_webhook_consumer"),
    "receiver": key_of("receiver", "group_webhook_receiver"),
    "admin": env["res.users.apikeys"].with_user(env.ref("base.user_admin")).sudo()._generate(
        "rpc", "devstack", None),
}
env["webhook.config"].create({"model_id": env["ir.model"]._get("res.partner").id})
env.cr.commit()
"""


@dataclass(frozen=True)
class FeedServer:
    """A running Odoo that records contacts."""

    odoo: Odoo
    server: Server
    #: API keys of `consumer`, `receiver` and (for Odoo's own API) `admin`
    keys: Mapping[str, str]

    @property
    def postgres(self) -> Postgres:
        return self.odoo.postgres

    @property
    def database(self) -> str:
        return self.server.database

    def client(self, key: str = "receiver") -> FeedClient:
        """Who calls the feed; to be used by one thread."""
        return FeedClient(f"{self.server.url}/api/webhooks", self.keys.get(key, key))


class FeedClient:
    """Calls the feed and keeps its connection, as receivers do."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, path: str, body: object = None, *, get: bool = False) -> dict[str, Any]:
        """Make a call that must succeed."""
        response = (
            self.session.get(f"{self.url}/{path}", timeout=60)
            if get
            else self.session.post(f"{self.url}/{path}", json=body or {}, timeout=60)
        )
        if response.status_code != 200:
            raise AssertionError(f"{path}: {response.status_code} {response.text[:300]}")
        answer: dict[str, Any] = response.json()
        return answer


@contextmanager
def feed_server(workers: int = 0) -> Iterator[FeedServer]:
    """Start one on a fresh database; with workers it is prefork."""
    with postgres() as started:
        odoo = Odoo(started)
        with Databases(odoo).temporary() as database:
            keys = odoo.run_script(database, _SETUP)
            server = odoo.serve(database, workers=workers)
            try:
                server.wait_until_ready()
                yield FeedServer(odoo, server, keys)
            finally:
                server.stop()
