"""`sync_data` between two real Odoo databases."""

import json
import os
import subprocess
import sys
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

    shop.write("res.partner", child, category_id=[[6, 0, []]])
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 1, 1, 0)
    (copy,) = named(office, "res.partner", "Child", "category_id")
    assert copy["category_id"] == []


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


@pytest.fixture(scope="module")
def french(systems: dict[str, Json2]) -> None:
    """French is active in both databases, and Spanish in the shop only."""
    for api, codes in ((systems["shop"], ["fr_FR", "es_ES"]), (systems["office"], ["fr_FR"])):
        domain = [["code", "in", codes]]
        for row in api.call(
            "res.lang", "search_read", domain=domain, fields=["id"], context={"active_test": False}
        ):
            api.write("res.lang", row["id"], active=True)


def in_language(api: Json2, model: str, record: int, language: str, field: str) -> str:
    context = {"lang": language}
    (row,) = api.call(model, "read", [record], fields=[field], context=context)
    return str(row[field])


def translate(api: Json2, model: str, record: int, language: str, **values: Any) -> None:
    api.call(model, "write", [record], vals=values, context={"lang": language})


def said(result: dict[str, Any]) -> str:
    return " ".join(result["notes"])


@pytest.mark.usefixtures("french")
def test_translations(sync: Sync, shop: Json2, office: Json2) -> None:
    model, names = "res.partner.category", ["Cheese", "Bread", "Wine"]
    cheese, bread, _wine = (shop.create(model, name=name) for name in names)
    translate(shop, model, cheese, "fr_FR", name="Fromage")
    translate(shop, model, bread, "fr_FR", name="Pain")
    filters = [["name", "in", names]]

    result = sync("shop", "office", model, filters)
    assert counts(result) == (3, 0, 0, 0)
    assert "es_ES is not active in office" in said(result)
    copies = {row["name"]: row["id"] for row in office.search_read(model, filters, ["name"])}
    french = [in_language(office, model, copies[name], "fr_FR", "name") for name in names]
    assert french == ["Fromage", "Pain", "Wine"]
    assert counts(sync("shop", "office", model, filters)) == (0, 0, 3, 0)

    translate(shop, model, cheese, "fr_FR", name="Comté")
    assert counts(sync("shop", "office", model, filters)) == (0, 1, 2, 0)
    assert in_language(office, model, copies["Cheese"], "fr_FR", "name") == "Comté"
    assert in_language(office, model, copies["Cheese"], "en_US", "name") == "Cheese"

    shop.write(model, bread, name="Rye bread")
    assert counts(sync("shop", "office", model, [["id", "=", bread]])) == (0, 1, 0, 0)
    assert in_language(office, model, copies["Bread"], "fr_FR", "name") == "Pain"
    # An empty translation must not empty the other languages.
    shop.call(
        model, "update_field_translations", [bread], field_name="name", translations={"fr_FR": ""}
    )
    assert counts(sync("shop", "office", model, [["id", "=", bread]])) == (0, 1, 0, 0)
    assert in_language(office, model, copies["Bread"], "en_US", "name") == "Rye bread"
    assert counts(sync("shop", "office", model, [["id", "=", bread]])) == (0, 0, 1, 0)


@pytest.mark.usefixtures("french")
def test_texts_that_are_translated_term_by_term(sync: Sync, shop: Json2, office: Json2) -> None:
    model, fields = "product.template", ["name", "description"]
    record = shop.create(model, name="Terms", description="<p>Good</p><p>Cheap</p>")
    shop.call(
        model,
        "update_field_translations",
        [record],
        field_name="description",
        translations={"fr_FR": {"Good": "Bon", "Cheap": "Pas cher"}},
    )
    filters = [["name", "=", "Terms"]]

    assert counts(sync("shop", "office", model, filters, fields=fields)) == (1, 0, 0, 0)
    (copy,) = named(office, model, "Terms", "description")
    assert copy["description"] == "<p>Good</p><p>Cheap</p>"
    french = in_language(office, model, copy["id"], "fr_FR", "description")
    assert french == "<p>Bon</p><p>Pas cher</p>"
    assert counts(sync("shop", "office", model, filters, fields=fields)) == (0, 0, 1, 0)

    shop.write(model, record, description="<p>Good</p><p>Fast</p>")
    assert counts(sync("shop", "office", model, filters, fields=fields)) == (0, 1, 0, 0)
    french = in_language(office, model, copy["id"], "fr_FR", "description")
    assert french == in_language(shop, model, record, "fr_FR", "description")
    assert counts(sync("shop", "office", model, filters, fields=fields)) == (0, 0, 1, 0)


def test_values_of_companies(sync: Sync, shop: Json2, office: Json2) -> None:
    seconds = []
    for api in (office, shop):
        if api is office:  # so that ids differ
            api.create("res.company", name="Of the office only")
        seconds.append(api.create("res.company", name="Second"))
        external_id = {"module": "test", "name": "second", "model": "res.company"}
        api.call("ir.model.data", "create", vals_list=[{**external_id, "res_id": seconds[-1]}])
    lonely = shop.create("res.company", name="Of the shop only")
    there, here = seconds

    def barcode(api: Json2, record: int, company: int | None) -> str:
        context = {"allowed_company_ids": [company]} if company else {}
        (row,) = api.call("res.partner", "read", [record], fields=["barcode"], context=context)
        return str(row["barcode"])

    record = shop.create("res.partner", name="Coded", ref="companies", barcode="111")
    for company, code in ((here, "222"), (lonely, "333")):
        context = {"allowed_company_ids": [company]}
        shop.call("res.partner", "write", [record], vals={"barcode": code}, context=context)
    filters = [["ref", "=", "companies"]]

    result = sync("shop", "office", "res.partner", filters)
    assert counts(result) == (1, 0, 0, 0)
    assert f"Companies [{lonely}] of shop have no counterpart" in said(result)
    (copy,) = named(office, "res.partner", "Coded")
    assert barcode(office, copy["id"], None) == "111"
    assert barcode(office, copy["id"], there) == "222"
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 0, 1, 0)

    context = {"allowed_company_ids": [here]}
    shop.call("res.partner", "write", [record], vals={"barcode": "223"}, context=context)
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 1, 0, 0)
    assert (barcode(office, copy["id"], None), barcode(office, copy["id"], there)) == ("111", "223")


def test_links_without_counterpart_are_left_out_and_named(
    sync: Sync, shop: Json2, office: Json2
) -> None:
    shared = [shop.create("res.partner.category", name=f"Shared {n}") for n in range(2)]
    sync("shop", "office", "res.partner.category", [["id", "in", shared]])
    only_shop = shop.create("res.partner.category", name="Only in the shop")
    record = shop.create(
        "res.partner", name="Tagged", ref="tags", category_id=[[6, 0, [shared[0], only_shop]]]
    )
    filters = [["ref", "=", "tags"]]

    def tags(api: Json2) -> list[str]:
        (row,) = named(api, "res.partner", "Tagged", "category_id")
        found = api.search_read(
            "res.partner.category", [["id", "in", row["category_id"]]], ["name"]
        )
        return sorted(tag["name"] for tag in found)

    for expected in ((1, 0, 0, 0), (0, 0, 0, 0)):  # in the second run it is not unchanged
        result = sync("shop", "office", "res.partner", filters)
        assert counts(result) == expected
        assert (result["incomplete"], result["left_out"]) == (1, {"category_id": 1})
        (message,) = (message for message in result["messages"] if "field" in message)
        assert (message["id"], message["field"]) == (record, "category_id")
        assert (
            f"res.partner.category {only_shop} has no counterpart in office" in message["message"]
        )
        assert tags(office) == ["Shared 0"]

    # What only the office has stays; what the shop took away goes.
    mine = office.create("res.partner.category", name="Only in the office")
    (copy,) = named(office, "res.partner", "Tagged")
    office.write("res.partner", copy["id"], category_id=[[4, mine]])
    shop.write("res.partner", record, category_id=[[6, 0, [shared[1], only_shop]]])
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 1, 0, 0)
    assert tags(office) == ["Only in the office", "Shared 1"]

    # Back and forth, neither side loses what the other one does not have.
    for _ in range(2):
        sync("shop", "office", "res.partner", filters, bidirectional=True)
        assert tags(office) == ["Only in the office", "Shared 1"]
        assert tags(shop) == ["Only in the shop", "Shared 1"]


def test_single_links_without_counterpart(sync: Sync, shop: Json2, office: Json2) -> None:
    parent = shop.create("res.partner", name="Not copied")
    record = shop.create("res.partner", name="Linked", ref="single", parent_id=parent)
    filters = [["ref", "=", "single"]]
    for expected in ((1, 0, 0, 0), (0, 0, 0, 0)):
        result = sync("shop", "office", "res.partner", filters, bidirectional=True)
        assert counts(result) == expected
        assert result["left_out"]["parent_id"] == 1
        (original,) = named(shop, "res.partner", "Linked", "parent_id")
        assert original["parent_id"][0] == parent
    shop.write("res.partner", parent, ref="single")
    assert counts(sync("shop", "office", "res.partner", filters)) == (1, 1, 0, 0)
    (copy,) = named(office, "res.partner", "Linked", "parent_id")
    assert copy["parent_id"][1] == "Not copied"
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 0, 2, 0)
    assert record


def test_many_refused_records(sync: Sync, shop: Json2, office: Json2) -> None:
    codes = [f"{n:02}" for n in range(100)]
    for code in codes[3::8]:
        office.create("res.country", name=f"Here {code}", code=code)
    lands = [{"name": f"Region {code}", "code": code} for code in codes]
    made = shop.call("res.country", "create", vals_list=lands)
    filters = [["id", "in", made]]
    refused = dict(zip(codes, made, strict=True))

    for expected in ((87, 0, 0, 13), (0, 0, 87, 13)):
        result = sync("shop", "office", "res.country", filters)
        assert counts(result) == expected
        assert {m["id"] for m in result["messages"]} == {refused[code] for code in codes[3::8]}
    assert len(office.search_read("res.country", [["name", "like", "Region "]], ["id"])) == 87


def test_a_run_that_is_killed_leaves_no_copy_that_the_next_one_does_not_know(
    sync: Sync, parts: Runtime, shop: Json2, office: Json2
) -> None:
    people = [{"name": f"Killed {n}", "ref": "killed"} for n in range(600)]
    shop.call("res.partner", "create", vals_list=people)
    filters = [["ref", "=", "killed"]]

    def copied() -> int:
        return int(office.call("res.partner", "search_count", domain=filters))

    systems = [
        {**system.model_dump(mode="json"), "api_key": system.api_key.get_secret_value()}
        for system in parts.settings.systems
    ]
    environment = {
        **os.environ,
        "BRIDGECORE_SYSTEMS": json.dumps([{k: v for k, v in s.items() if v} for s in systems]),
        "BRIDGECORE_REDIS_URL": parts.settings.redis_url.get_secret_value(),
    }
    command = [sys.executable, "-m", "bridgecore.cli", "sync-data", "shop", "office", "res.partner"]
    run = subprocess.Popen([*command, "--filters", json.dumps(filters)], env=environment)
    while copied() < 100:
        assert run.poll() is None
    run.kill()
    run.wait()

    before = copied()
    result = sync("shop", "office", "res.partner", filters)  # while Odoo still does the last calls
    assert (before < 600, result["errors"]) == (True, 0)
    found = office.search_read("res.partner", filters, ["name"])
    assert sorted(row["name"] for row in found) == sorted(person["name"] for person in people)
    assert counts(sync("shop", "office", "res.partner", filters)) == (0, 0, 600, 0)
