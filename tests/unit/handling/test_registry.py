"""Which functions get an event."""

import asyncio
from functools import partial

import pytest
from bridgecore.errors import SettingsError
from bridgecore.events import EXAMPLE, Event, parse_event
from bridgecore.handling.registry import Registry, load_handlers


@pytest.mark.parametrize(
    ("model", "event", "matches"),
    [
        ("sale.order", "write", True),
        ("sale.order", "*", True),
        ("*", "write", True),
        ("*", "*", True),
        ("sale.*", "write", True),
        ("sale.order", "create", False),
        ("sale.order.line", "write", False),
        ("sale", "write", False),
        ("SALE.order", "write", False),
    ],
)
def test_matching(model, event, matches):
    registry = Registry()
    registry.on(model, event)(print)
    assert len(registry.matching("sale.order", "write")) == matches


def test_handlers_run_in_the_order_of_registration_and_each_once():
    registry = Registry()

    @registry.on("a")
    @registry.on("*")
    def first(event: Event) -> None: ...

    registry.on("*")(print)
    assert [h.function for h in registry.matching("a", "write")] == [first, print]


def test_a_registration_after_the_first_event_counts():
    registry = Registry()
    assert registry.matching("a", "write") == []
    registry.on()(print)
    assert len(registry.matching("a", "write")) == 1


def test_an_event_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'update' is no event"):
        Registry().on("sale.order", "update")


def test_parentheses_that_were_forgotten_are_asked_for():
    with pytest.raises(TypeError, match=r"parentheses: write @on\(\) or @on\('sale\.order'"):

        @Registry().on
        def handler(event): ...


@pytest.mark.parametrize(
    "model", ["Sale Order", "sale,order", "", "sale-order", "sale[order", ["sale.order"], None]
)
def test_a_name_that_no_model_can_have_is_refused(model):
    with pytest.raises(ValueError, match="is no model; write its technical name such as"):
        Registry().on(model)


@pytest.mark.parametrize("model", ["x_Model2", "*", "sale.?rder", "[a-s]ale.*", "[!r]*.order"])
def test_patterns(model):
    Registry().on(model)(print)


def no_parameter(): ...


def two_parameters(self, event): ...


def keyword_only(*, event): ...


@pytest.mark.parametrize("function", [no_parameter, two_parameters, keyword_only])
def test_a_function_that_cannot_take_the_event_is_refused(function):
    with pytest.raises(TypeError, match=f"{function.__name__} cannot be called with the event"):
        Registry().on()(function)


def generator(event):
    yield


async def asynchronous_generator(event):
    yield


@pytest.mark.parametrize("function", [generator, asynchronous_generator])
def test_a_function_of_which_a_call_runs_nothing_is_refused(function):
    with pytest.raises(TypeError, match="contains yield"):
        Registry().on()(function)


@pytest.mark.parametrize("function", [partial(print), "handler"])
def test_something_else_than_a_function_is_refused(function):
    with pytest.raises(TypeError, match="use a function"):
        Registry().on()(function)


@pytest.mark.parametrize("function", [lambda event, more=1: 1, lambda *all_: 1, print, len])
def test_a_function_may_take_more_than_the_event(function):
    registry = Registry()
    registry.on()(function)
    assert [handler.function for handler in registry] == [function]


def test_a_registry_without_handlers_says_what_to_set():
    registry = Registry()
    assert "BRIDGECORE_HANDLERS" in registry.problem
    registry.on()(print)
    assert registry.problem is None


def test_two_functions_of_one_name_are_refused():
    """Redis remembers successes by the handler's name."""
    registry = Registry()
    registry.on()(lambda event: 1)
    with pytest.raises(ValueError, match="two handlers"):
        registry.on()(lambda event: 2)


def test_synchronous_and_asynchronous_functions():
    registry, seen = Registry(), []

    @registry.on()
    def synchronous(event: Event) -> None:
        seen.append("synchronous")

    @registry.on()
    async def asynchronous(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append("asynchronous")

    for handler in registry.matching("a", "write"):
        handler(parse_event(EXAMPLE, EXAMPLE["source"]))
    assert seen == ["synchronous", "asynchronous"]


def test_modules_are_found_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "some_handlers.py").write_text(
        "from bridgecore import on\n\n@on('only.here')\ndef handler(event): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load_handlers(["some_handlers"]).matching("only.here", "write")


def test_a_handler_that_is_refused_names_its_module(tmp_path, monkeypatch):
    (tmp_path / "wrong_handlers.py").write_text(
        "from bridgecore import on\n\n@on\ndef handler(event): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"wrong_handlers cannot be imported .*parentheses"):
        load_handlers(["wrong_handlers"])


def test_a_module_that_cannot_be_imported_is_named():
    with pytest.raises(SettingsError, match=r"BRIDGECORE_HANDLERS: no\.such cannot be imported"):
        load_handlers(["no.such"])
