"""Databases that were copied, moved or restored, and a PostgreSQL that refuses functions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from devstack.databases import Databases
from devstack.json2 import Json2
from devstack.odoo import Odoo, Server
from devstack.postgres import Postgres, postgres
from tests.e2e.endpoint import Endpoint
from tests.support import eventually

_SETUP = """
env["webhook.config"].create({
    "model_id": env["ir.model"]._get("res.partner").id, "priority": "high", "instant_send": True,
})
env["webhook.subscriber"].create({
    "name": "Endpoint", "url": url, "allow_private_network": True,
    "auth_type": "bearer", "auth_token": "secret",
})
receiver = env["res.users"].create({
    "name": "Receiver", "login": "receiver", "group_ids": [(6, 0, [
        env.ref("base.group_user").id, env.ref("auto_webhook_odoo.group_webhook_receiver").id,
    ])],
})
env.cr.commit()

def key_of(user, scope):
    return env["res.users.apikeys"].with_user(user).sudo()._generate(scope, "test", None)

result = {
    "feed_key": key_of(receiver, "webhook"),
    "admin_key": key_of(env.ref("base.user_admin"), "rpc"),
}
env.cr.commit()
"""


@dataclass
class Running:
    """A running Odoo on one of the databases."""

    server: Server
    api: Json2
    feed_key: str
    postgres: Postgres

    def change(self, name: str) -> None:
        self.api.create("res.partner", name=name)

    def pull(self) -> requests.Response:
        return requests.get(
            f"{self.server.url}/api/webhooks/pull",
            headers={
                "Authorization": f"Bearer {self.feed_key}",
                "X-Odoo-Database": self.server.database,
            },
            timeout=60,
        )

    def refuses(self) -> bool:
        """Whether a lane has found that nothing may be pushed."""
        return self.server.child.logged("Webhooks are not pushed")()

    def states(self) -> list[str]:
        return [row[0] for row in self.sql("SELECT state FROM webhook_delivery ORDER BY id")]

    def source(self) -> str:
        [(uuid,)] = self.sql("SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'")
        return str(uuid)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with self.postgres.connect(self.server.database) as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def decide(self, button: str) -> None:
        settings = self.api.create("res.config.settings")
        self.api.call("res.config.settings", button, [settings])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@dataclass
class World:
    """A PostgreSQL server with an original database, which nobody serves at first."""

    odoo: Odoo
    original: str
    keys: dict[str, str]

    @property
    def postgres(self) -> Postgres:
        return self.odoo.postgres

    @contextmanager
    def serve(self, database: str, **options: object) -> Iterator[Running]:
        server = self.odoo.serve(database, workers=2, options=options)
        try:
            server.wait_until_ready()
            api = Json2(server.url, database, self.keys["admin_key"])
            yield Running(server, api, self.keys["feed_key"], self.postgres)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def world(endpoint: Endpoint) -> Iterator[World]:
    """The original has pushed one event. The last test leaves its place behind."""
    with postgres() as server:
        odoo = Odoo(server)
        with Databases(odoo).temporary() as original:
            keys = odoo.run_script(original, _SETUP, url=endpoint.url)
            made = World(odoo, original, keys)
            with made.serve(original) as running:
                running.change("of the original")
                eventually(lambda: "of the original" in endpoint.names())
            yield made


@pytest.fixture
def copy(world: World) -> Iterator[str]:
    """A copy as `createdb --template` makes it; Odoo does not know of it."""
    name = f"{world.original}_copy"
    world.postgres.clone(world.original, name)
    yield name
    world.postgres.drop(name)


def test_a_copy_pushes_nothing_and_becomes_a_source_of_its_own(
    world: World, copy: str, endpoint: Endpoint
) -> None:
    before = endpoint.requests
    with world.serve(copy) as running:
        running.change("in the copy")
        eventually(running.refuses)
        assert running.states()[-1] == "pending"
        subscriber = running.api.search_read("webhook.subscriber", [], ["elsewhere"])[0]
        assert f"“{world.original}”" in subscriber["elsewhere"]
        source, page = running.source(), running.pull().json()

        running.decide("action_webhook_copy")
        assert running.source() != source
        subscriber = running.api.search_read("webhook.subscriber", [], ["elsewhere", "state"])[0]
        assert (subscriber["elsewhere"], subscriber["state"]) == ("", "disabled")
        assert running.pull().status_code == 401  # keys of the original do not open the copy's feed
        running.change("still in the copy")
        assert running.states()[-2:] == ["pending", "pending"]
    assert endpoint.requests == before

    with world.serve(world.original) as running:
        assert running.source() == source
        running.change("of the original, later")
        eventually(lambda: "of the original, later" in endpoint.names())
        assert running.pull().json()["instance"] != page["instance"]
    assert "in the copy" not in json.dumps(endpoint.accepted)


def test_a_neutralised_copy_asks_nothing(world: World, copy: str, endpoint: Endpoint) -> None:
    before = endpoint.requests
    child = world.odoo.child(
        "neutralize", world.odoo.command("neutralize", world.odoo.config(copy))
    )
    child.wait(timeout=60)
    with world.serve(copy) as running:
        running.change("in the copy")
        [subscriber] = running.api.search_read("webhook.subscriber", [], ["elsewhere", "state"])
        assert (subscriber["elsewhere"], subscriber["state"]) == ("", "disabled")
        with world.postgres.connect(world.original) as cursor:
            cursor.execute("SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'")
            assert cursor.fetchone() != (running.source(),)
    assert endpoint.requests == before


def test_a_plain_role_pulls_and_pushes_where_functions_are_refused(
    world: World, endpoint: Endpoint
) -> None:
    """As on AWS Aurora."""
    role = f"{world.original}_plain"
    with world.postgres.connect(world.original) as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN")
        try:
            for function in ("pg_current_wal_lsn()", "pg_control_system()"):
                cursor.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
            for kind in ("SCHEMA", "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA"):
                cursor.execute(f"GRANT ALL ON {kind} public TO {role}")
            with world.serve(world.original, db_user=role) as running:
                running.change("of a plain role")
                eventually(lambda: "of a plain role" in endpoint.names())
                answer = running.pull()
                assert answer.status_code == 200, answer.text
                names = [event["payload"]["name"] for event in answer.json()["events"]]
                assert names[-1] == "of a plain role"
        finally:
            cursor.execute(f"DROP OWNED BY {role}")
            cursor.execute(f"DROP ROLE {role}")


def test_a_moved_database_goes_on_and_loses_nothing(world: World, endpoint: Endpoint) -> None:
    moved = f"{world.original}_moved"
    world.postgres.rename(world.original, moved)
    try:
        with world.serve(moved) as running:
            source = running.source()
            running.change("while nobody has decided")
            eventually(running.refuses)
            running.decide("action_webhook_original")
            eventually(lambda: "while nobody has decided" in endpoint.names())
            running.change("afterwards")
            eventually(lambda: "afterwards" in endpoint.names())
            assert running.source() == source
            eventually(lambda: set(running.states()) == {"delivered"})
    finally:
        world.postgres.rename(moved, world.original)
