"""`sync_data` between two real Odoo databases."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from bridgecore import tasks
from bridgecore.config.settings import Settings
from bridgecore.errors import OdooRefused, OdooUnavailable, UnknownSystem
from bridgecore.runtime import Runtime

from devstack.databases import Databases
from devstack.json2 import Json2
from devstack.odoo import Odoo
from devstack.postgres import postgres
from devstack.redis_server import redis_server

_KEY = """
admin = env.ref("base.user_admin")
result = env["res.users.apikeys"].with_user(admin).sudo()._generate("rpc", "test", None)
env.cr.commit()
"""
Sync = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def systems() -> Iterator[dict[str, Json2]]:
    """Two databases, `shop` and `office`, each with a server; as their administrators see them."""
    with ExitStack() as exits:
        odoo = Odoo(exits.enter_context(postgres()))
        databases = Databases(odoo)
        found, servers = {}, []
        for name in ("shop", "office"):
            database = exits.enter_context(databases.fresh())
            key = odoo.run_script(database, _KEY)
            server = odoo.serve(database)
            exits.callback(server.stop)
            servers.append(server)
            found[name] = Json2(server.url, database, key)
        for server in servers:
            server.wait_until_ready()
        yield found


@pytest.fixture(scope="module")
def parts(systems: dict[str, Json2]) -> Iterator[Runtime]:
    with redis_server() as url:
        described = [
            {"name": name, "url": api.url, "database": api.database, "api_key": api.api_key}
            for name, api in systems.items()
        ]
        parts = Runtime(Settings.model_validate({"redis_url": url, "systems": described}))
        yield parts
        parts.storage.close()


@pytest.fixture
def sync(parts: Runtime, monkeypatch: pytest.MonkeyPatch) -> Sync:
    monkeypatch.setattr(tasks, "runtime", lambda: parts)
    return tasks.sync_data


@pytest.fixture
def shop(systems: dict[str, Json2]) -> Json2:
    return systems["shop"]


@pytest.fixture
def office(systems: dict[str, Json2]) -> Json2:
    return systems["office"]


def counts(result: dict[str, Any]) -> tuple[int, int, int, int]:
    return result["created"], result["updated"], result["unchanged"], result["errors"]


def named(api: Json2, model: str, name: str, *fields: str) -> list[dict[str, Any]]:
    return api.search_read(model, [["name", "=", name]], ["name", *fields])


def test_a_second_run_updates_what_the_first_one_made(
    sync: Sync, shop: Json2, office: Json2
) -> None:
    record = shop.create("res.partner", name="Ada", ref="first", city="London")
    shop.create("res.partner", name="Grace", ref="first", is_company=True, comment="<p>Hello</p>")
    filters = [["ref", "=", "first"]]

    assert counts(sync("shop", "office", "res.partner", filters)) == (2, 0, 0, 0)
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 0, 2, 0)
    shop.write("res.partner", record, city="Paris")
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 1, 1, 0)
    (copy,) = named(office, "res.partner", "Ada", "city", "ref")
    assert (copy["city"], copy["ref"]) == ("Paris", "first")
    (copy,) = named(office, "res.partner", "Grace", "is_company", "comment")
    assert (copy["is_company"], copy["comment"]) == (True, "<p>Hello</p>")


def test_links_lead_to_the_counterparts(sync: Sync, shop: Json2, office: Json2) -> None:
    # so that ids differ
    office.create("res.partner.category", name="Only in the office")
    tags = [shop.create("res.partner.category", name=name) for name in ("Red", "Blue")]
    [[country]] = [
        [row["id"] for row in shop.search_read("res.country", [["code", "=", "NO"]], ["id"])]
    ]
    child = shop.create("res.partner", name="Child", ref="links")
    parent = shop.create("res.partner", name="Parent", ref="links", country_id=country)
    shop.write("res.partner", child, parent_id=parent, category_id=[[6, 0, tags]])
    filters = [["ref", "=", "links"]]

    sync("shop", "office", "res.partner.category", [["name", "in", ["Red", "Blue"]]])
    # the child comes before its parent
    assert counts(sync("shop", "office", "res.partner", filters)) == (2, 0, 0, 0)
    (copy,) = named(office, "res.partner", "Child", "parent_id", "category_id")
    (parent_copy,) = named(office, "res.partner", "Parent", "country_id")
    assert copy["parent_id"][0] == parent_copy["id"]
    assert parent_copy["country_id"][1] == "Norway"
    there = office.search_read(
        "res.partner.category", [["id", "in", copy["category_id"]]], ["name"]
    )
    assert {tag["name"] for tag in there} == {"Red", "Blue"}
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 0, 2, 0)

    shop.write("res.partner", child, category_id=[[6, 0, tags[:1]]], parent_id=False)
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 1, 1, 0)
    (copy,) = named(office, "res.partner", "Child", "parent_id", "category_id")
    assert (copy["parent_id"], len(copy["category_id"])) == (False, 1)


def test_records_that_come_with_odoo_are_not_doubled(
    sync: Sync, shop: Json2, office: Json2
) -> None:
    before = len(office.search_read("res.country", [], ["id"]))
    filters = [["code", "in", ["NO", "SE"]]]
    assert counts(sync("shop", "office", "res.country", filters)) == (0, 0, 2, 0)
    assert len(office.search_read("res.country", [], ["id"])) == before


def test_one_bad_record_does_not_stop_the_rest(sync: Sync, shop: Json2, office: Json2) -> None:
    """A country code is unique, and the office has given this one to another country."""
    office.create("res.country", name="Another", code="QX")
    good = [shop.create("res.country", name=f"Land {n}", code=f"Q{n}") for n in range(5)]
    bad = shop.create("res.country", name="Bad", code="QX")
    result = sync("shop", "office", "res.country", [["id", "in", [*good, bad]]])
    assert counts(result) == (5, 0, 0, 1)
    (message,) = result["messages"]
    assert message["id"] == bad
    assert message["message"]
    assert named(office, "res.country", "Bad") == []
    assert counts(sync("shop", "office", "res.country", [["id", "in", [*good, bad]]])) == (
        0,
        0,
        5,
        1,
    )


def test_both_directions_in_one_call_without_bouncing(
    sync: Sync, shop: Json2, office: Json2
) -> None:
    shop.create("res.partner", name="From shop", ref="both")
    office.create("res.partner", name="From office", ref="both")
    filters = [["ref", "=", "both"]]

    results = sync("shop", "office", "res.partner", filters, bidirectional=True)
    assert (counts(results), counts(results["reverse"])) == ((1, 0, 0, 0), (1, 0, 0, 0))
    assert (results["reverse"]["source"], results["reverse"]["target"]) == ("office", "shop")
    for api in (shop, office):
        found = api.search_read("res.partner", filters, ["name"])
        assert sorted(row["name"] for row in found) == ["From office", "From shop"]

    results = sync("shop", "office", "res.partner", filters, bidirectional=True)
    assert (counts(results), counts(results["reverse"])) == ((0, 0, 2, 0), (0, 0, 2, 0))


def test_of_two_that_differ_the_newer_one_wins(sync: Sync, shop: Json2, office: Json2) -> None:
    record = shop.create("res.partner", name="Disputed", ref="newer")
    filters = [["ref", "=", "newer"]]
    sync("shop", "office", "res.partner", filters, bidirectional=True)
    (copy,) = named(office, "res.partner", "Disputed")

    def dated(api: Json2) -> str:
        (row,) = api.search_read("res.partner", filters, ["write_date"])
        return str(row["write_date"])

    office.write("res.partner", copy["id"], city="Oslo")
    while dated(office) <= dated(shop):  # moments of Odoo's external API are whole seconds
        office.write("res.partner", copy["id"], city="Oslo")
    results = sync("shop", "office", "res.partner", filters, bidirectional=True)
    assert (counts(results), counts(results["reverse"])) == ((0, 0, 1, 0), (0, 1, 0, 0))
    (original,) = named(shop, "res.partner", "Disputed", "city")
    assert (original["id"], original["city"]) == (record, "Oslo")


def test_archived_records_and_chosen_fields(sync: Sync, shop: Json2, office: Json2) -> None:
    shop.create("res.partner", name="Archived", ref="some", city="Rome", active=False)
    result = sync(
        "shop", "office", "res.partner", [["ref", "=", "some"]], fields=["name", "active"]
    )
    assert counts(result) == (1, 0, 0, 0)
    found = office.search_read(
        "res.partner", [["name", "=", "Archived"], ["active", "=", False]], ["city", "active"]
    )
    assert [(row["city"], row["active"]) for row in found] == [(False, False)]


def test_more_than_a_page(sync: Sync, shop: Json2) -> None:
    tags = [{"name": f"Tag {n}", "color": n % 10} for n in range(450)]
    shop.call("res.partner.category", "create", vals_list=tags)
    filters = [["name", "like", "Tag "]]
    assert counts(sync("shop", "office", "res.partner.category", filters)) == (450, 0, 0, 0)
    assert counts(sync("shop", "office", "res.partner.category", filters)) == (0, 0, 450, 0)


def test_what_was_done_is_in_the_audit_log(sync: Sync, parts: Runtime) -> None:
    sync("shop", "office", "res.country", [["code", "=", "NO"]], bidirectional=True)
    (entry,) = parts.storage.audit.newest(1)
    assert entry.action == "data.synchronised"
    assert entry.facts["unchanged"] == entry.facts["reverse"]["unchanged"] == 1


def test_as_a_celery_task(sync: Sync) -> None:
    result = tasks.sync_data.apply(
        args=["shop", "office", "res.country", [["code", "=", "NO"]], True]
    ).get()
    assert json.loads(json.dumps(result)) == result
    assert counts(result["reverse"]) == (0, 0, 1, 0)


def test_what_cannot_be_copied(sync: Sync, parts: Runtime) -> None:
    with pytest.raises(UnknownSystem):
        sync("shop", "warehouse", "res.partner")
    with pytest.raises(OdooRefused, match=r"no\.such\.model"):
        sync("shop", "office", "no.such.model")
    _shop, office = parts.settings.systems
    wrong = office.model_copy(update={"api_key": type(office.api_key)("wrong")})
    parts.settings.systems_by_name["wrong"] = wrong
    with pytest.raises(OdooUnavailable, match="check api_key"):
        sync("wrong", "office", "res.partner")
