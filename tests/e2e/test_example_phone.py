"""The example of docs/examples/phone.py, against a real Odoo."""

import importlib.util
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from devstack.feed_server import FeedServer
from devstack.json2 import Json2
from tests.support import REPOSITORY

_RULE = """
env["ir.rule"].create({
    "name": "Not in Rome", "model_id": env["ir.model"]._get_id("res.partner"),
    "domain_force": "[('city', '!=', 'Rome')] if user.login == 'consumer' else [(1, '=', 1)]",
})
env.cr.commit()
"""
_READABLE = """
user = env["res.users"].search([("login", "=", "consumer")])
partners = env["res.partner"].with_user(user).with_context(active_test=False)
result = {str(partner.id): partner.name for partner in partners.search([])}
"""
_DELETE_EVENTS = """
env["webhook.feed.position"]._assign_pending()
env.cr.commit()
events = env["update.webhook"].search([])
env["webhook.feed.break"]._note_deletion(events.ids)
events.unlink()
env.cr.commit()
"""


class CutError(Exception):
    """The connection broke."""


@pytest.fixture
def phone(feed: FeedServer, tmp_path: Path) -> Any:
    """A phone of a user who follows record rules, with small pages."""
    spec = importlib.util.spec_from_file_location(
        "phone", REPOSITORY / "docs" / "examples" / "phone.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    key = feed.keys["consumer"]
    return module.Phone(feed.server.url, key, tmp_path / "phone.db", ["res.partner"], limit=3)


@pytest.fixture
def odoo(feed: FeedServer) -> Json2:
    return Json2(feed.server.url, feed.database, feed.keys["admin"])


@pytest.fixture
def same(feed: FeedServer, phone: Any) -> Callable[[], bool]:
    """Whether the phone has exactly the contacts that Odoo shows to its user."""

    def compare() -> bool:
        readable = feed.odoo.run_script(feed.database, _READABLE)
        kept = phone.db.execute("SELECT id FROM record").fetchall()
        assert {str(i): phone.values("res.partner", i)["name"] for (i,) in kept} == readable
        return bool(readable)

    return compare


def test_a_phone_starts_follows_and_survives(
    feed: FeedServer, phone: Any, odoo: Json2, same: Callable[[], bool]
) -> None:
    feed.odoo.run_script(feed.database, _RULE)
    ada, grace, hidden = (
        odoo.create("res.partner", name=name, city=city)
        for name, city in (("Ada", "Turin"), ("Grace", "Turin"), ("Hidden", "Rome"))
    )

    # The connection breaks in the middle of the start, and Odoo changes before it goes on.
    call, calls = phone.call, []

    def breaking(name: str, **parameters: Any) -> dict[str, Any]:
        calls.append(name)
        if len(calls) == 3:
            raise CutError
        return call(name, **parameters)

    phone.call = breaking
    with pytest.raises(CutError):
        phone.sync()
    odoo.write("res.partner", ada, name="Ada Lovelace")
    told = phone.sync()
    assert calls[:4] == ["bootstrap"] * 4
    assert ("kept", "res.partner", ada) in told
    assert same()
    assert phone.values("res.partner", ada)["name"] == "Ada Lovelace"
    assert phone.values("res.partner", hidden) == {}
    phone.call = call

    # It follows: records appear and go, whether they are deleted or hidden.
    odoo.write("res.partner", hidden, city="Pisa")
    odoo.write("res.partner", grace, city="Rome")
    new = odoo.create("res.partner", name="New")
    odoo.unlink("res.partner", ada)
    told = phone.sync()
    for change in (("kept", hidden), ("gone", grace), ("kept", new), ("gone", ada)):
        assert (change[0], "res.partner", change[1]) in told
    assert same()
    assert phone.sync() == []

    # Its cursor expires: events were deleted that it has not read. It starts again by itself.
    odoo.unlink("res.partner", new)
    odoo.write("res.partner", hidden, name="Shown")
    feed.odoo.run_script(feed.database, _DELETE_EVENTS)
    told = phone.sync()
    assert ("gone", "res.partner", new) in told
    assert phone.values("res.partner", hidden)["name"] == "Shown"
    assert same()
    assert phone.sync() == []


def test_a_phone_misses_nothing_while_others_write(
    feed: FeedServer, phone: Any, odoo: Json2, same: Callable[[], bool]
) -> None:
    """Records are made, changed, hidden, shown and deleted while the phone starts and follows."""
    feed.odoo.run_script(feed.database, _RULE)

    def write(writer: int) -> None:
        api = Json2(odoo.url, odoo.database, odoo.api_key)
        chance, ids = random.Random(writer), []  # noqa: S311  # no secret
        for number in range(40):
            if not ids or chance.random() < 0.4:
                ids.append(api.create("res.partner", name=f"{writer}-{number}"))
                continue
            record_id = chance.choice(ids)
            if chance.random() < 0.2:
                ids.remove(record_id)
                api.unlink("res.partner", record_id)
            else:
                city = chance.choice(("Rome", "Turin"))
                api.write("res.partner", record_id, name=f"{writer}-{number}", city=city)

    with ThreadPoolExecutor(2) as threads:
        writing = [threads.submit(write, writer) for writer in range(2)]
        while not all(one.done() for one in writing):
            phone.put(cursor=None)  # it starts again and again
            phone.sync()
        for one in writing:
            one.result()
    phone.sync()  # follows from where its last start began
    assert same()
