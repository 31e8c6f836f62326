"""What happens in a server right after a commit, in both of its modes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from devstack.databases import Databases
from devstack.json2 import Json2
from devstack.odoo import Odoo, Server
from devstack.postgres import postgres
from tests.e2e.endpoint import Endpoint
from tests.support import eventually

_SETUP = """
key = env["res.users.apikeys"].with_user(env.ref("base.user_admin")).sudo()
model = env["ir.model"]._get("res.partner")
env["webhook.config"].create({"model_id": model.id, "priority": "high", "instant_send": True})
env["ir.cron"].search([]).active = False
result = key._generate("rpc", "test", None)
env.cr.commit()
"""

_LEFT_BEHIND = """
from odoo.addons.auto_webhook_odoo.delivery import sender
sender.wake = lambda dbname, subscriber_ids: None  # the process is killed before it gets there
env["res.partner"].create({"name": name})
cron = env.ref("auto_webhook_odoo.cron_deliver")
cron.active = True
cron._trigger()
env.cr.commit()
"""

#: Another job, which comes after the one that pushes
_OTHER_CRON = """
other = env["ir.cron"].create({
    "name": "Other", "model_id": env["ir.model"]._get("res.partner").id, "code": "True",
})
other._trigger()
env.cr.commit()
result = other.id
"""


@dataclass
class Sales:
    """A running Odoo whose contacts are pushed."""

    odoo: Odoo
    server: Server
    api: Json2

    def subscribe(self, endpoint: Endpoint, **values: object) -> int:
        return self.api.create(
            "webhook.subscriber",
            name="Endpoint",
            url=endpoint.url,
            allow_private_network=True,
            **values,
        )


@pytest.fixture(scope="module", params=[0, 2], ids=["threaded", "prefork"])
def sales(request: pytest.FixtureRequest) -> Iterator[Sales]:
    with postgres() as server:
        odoo = Odoo(server)
        with Databases(odoo).temporary() as database:
            key = odoo.run_script(database, _SETUP)
            running = odoo.serve(database, workers=request.param)
            try:
                running.wait_until_ready()
                yield Sales(odoo, running, Json2(running.url, database, key))
            finally:
                running.stop()


@pytest.fixture
def endpoint(sales: Sales) -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    known = [row["id"] for row in sales.api.search_read("webhook.subscriber", [], ["id"])]
    sales.api.call("webhook.subscriber", "action_archive", known)
    sales.api.call("webhook.subscriber", "unlink", known)
    endpoint.close()


def test_it_is_pushed_without_any_cron(sales: Sales, endpoint: Endpoint) -> None:
    sales.subscribe(endpoint)
    sales.api.create("res.partner", name="Ada")
    eventually(lambda: endpoint.names() == ["Ada"])


def test_a_retry_comes_by_itself(sales: Sales, endpoint: Endpoint) -> None:
    endpoint.refusals = [500, 503]
    sales.subscribe(endpoint, backoff_base=1, backoff_max=1)
    sales.api.create("res.partner", name="Ada")
    eventually(lambda: endpoint.names() == ["Ada"])
    assert endpoint.requests == 3


def test_an_endpoint_that_hangs_keeps_nobody_waiting(sales: Sales, endpoint: Endpoint) -> None:
    hanging = Endpoint()
    hanging.answering.clear()
    try:
        sales.subscribe(hanging, timeout=60)
        sales.subscribe(endpoint)
        sales.api.create("res.partner", name="Ada")
        eventually(lambda: hanging.requests == 1)
        for name in ("Grace", "Mary"):  # neither the users
            sales.api.create("res.partner", name=name)
        everybody = ["Ada", "Grace", "Mary"]
        eventually(lambda: sorted(endpoint.names()) == everybody)  # nor the others
        hanging.answering.set()
        eventually(lambda: sorted(hanging.names()) == everybody)
    finally:
        hanging.close()


def test_the_test_button_tells_what_came_of_it(sales: Sales, endpoint: Endpoint) -> None:
    subscriber_id = sales.subscribe(endpoint)
    endpoint.refusals = [401]
    told = [
        sales.api.call("webhook.subscriber", "action_test", [subscriber_id])["params"]
        for _attempt in range(2)
    ]
    assert [params["type"] for params in told] == ["danger", "success"]
    assert "does not accept the credentials" in told[0]["message"]
    assert "HTTP 200" in told[1]["message"]
    assert endpoint.accepted == []


def test_what_a_killed_process_left_goes_out_with_the_cron(
    sales: Sales, endpoint: Endpoint
) -> None:
    sales.subscribe(endpoint)
    sales.odoo.run_script(sales.server.database, _LEFT_BEHIND, name="Ada")
    eventually(lambda: endpoint.names() == ["Ada"], 90)


def test_other_crons_have_their_turn_while_an_endpoint_is_slow(
    sales: Sales, endpoint: Endpoint
) -> None:
    endpoint.answering.clear()
    sales.subscribe(endpoint, timeout=120)
    script = _LEFT_BEHIND + _OTHER_CRON
    other = sales.odoo.run_script(sales.server.database, script, name="Ada")

    def has_run() -> object:
        return sales.api.search_read("ir.cron", [["id", "=", other]], ["lastcall"])[0]["lastcall"]

    eventually(lambda: endpoint.requests == 1, 90)
    eventually(has_run, 30)
    endpoint.answering.set()
    eventually(
        lambda: sales.api.search_read("webhook.delivery", [["state", "=", "delivered"]], ["id"])
    )
    assert endpoint.requests == 1
