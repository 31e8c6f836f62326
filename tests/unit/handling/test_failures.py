"""How the log and the dead letter describe a handler's failure."""

import json
import re
from pathlib import Path

import pytest
from bridgecore import Event
from bridgecore.errors import WorkerDied
from bridgecore.events import EXAMPLE, parse_event
from bridgecore.handling.failures import Failure
from bridgecore.handling.registry import Registry

EVENT = parse_event(EXAMPLE, EXAMPLE["source"])


def in_its_body(event: Event) -> None:
    raise LookupError("a secret")  # here: body


def in_a_function_that_it_calls(event: Event) -> None:
    in_its_body(event)


def in_a_library(event: Event) -> None:
    json.loads("a secret")  # here: library


async def asynchronously(event: Event) -> None:
    raise LookupError("a secret")  # here: asynchronous


def failure_of(function) -> Failure:
    registry = Registry()
    registry.on()(function)
    (handler,) = registry
    with pytest.raises(Exception) as raised:  # noqa: PT011  # whatever it is
        handler(EVENT)
    return Failure(raised.value, handler)


def line_of(mark: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if line.endswith(f"# here: {mark}"))


@pytest.mark.parametrize(
    ("function", "kind", "mark"),
    [
        (in_its_body, "LookupError", "body"),
        (in_a_function_that_it_calls, "LookupError", "body"),
        (in_a_library, "JSONDecodeError", "library"),
        (asynchronously, "LookupError", "asynchronous"),
    ],
)
def test_the_log_names_handler_and_place_and_quotes_nothing(function, kind, mark):
    assert str(failure_of(function)) == (
        f"handler={__name__}.{function.__name__} error={kind} at={__file__}:{line_of(mark)}"
    )


def test_where_no_frame_is_the_handlers_own_the_innermost_is_named():
    failure = failure_of(len)
    assert re.search(r" error=TypeError at=\S+:\d+$", str(failure))


def test_without_a_handler_there_is_no_place():
    assert str(Failure(WorkerDied())) == "error=WorkerDied"


def test_its_traceback_is_kept_in_full():
    assert "LookupError: a secret" in failure_of(in_its_body).traceback
