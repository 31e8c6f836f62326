"""How the log and the dead letter describe a handler's failure."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from bridgecore import Event
from bridgecore.errors import WorkerDied
from bridgecore.events import EXAMPLE, parse_event
from bridgecore.handling.failures import Failure, error_text, summary_of
from bridgecore.handling.registry import Registry
from pydantic import BaseModel

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


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError


class Strict(BaseModel):
    number: int


def raising(error):
    def function(event: Event) -> None:
        raise error

    return function


def in_a_group(event: Event) -> None:
    async def fail():
        raise LookupError("a")  # here: in a group

    async def tasks():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    asyncio.run(tasks())


def of_a_database(event: Event) -> None:
    raise ValueError("duplicate key value\nDETAIL:  Key (id)=(1) already exists.")


def with_a_note(event: Event) -> None:
    error = ValueError("wrong")
    error.add_note("see runbook 5")
    raise error


def of_pydantic(event: Event) -> None:
    Strict.model_validate({"number": "x"})


@pytest.mark.parametrize(
    ("function", "beginning"),
    [
        (in_its_body, "LookupError: a secret ("),
        (of_a_database, "ValueError: duplicate key value DETAIL: Key (id)=(1) already exists. ("),
        (with_a_note, "ValueError: wrong ("),
        (
            in_a_group,
            "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception): LookupError: a (",
        ),
        (
            of_pydantic,
            "ValidationError: 1 validation error for Strict ",
        ),
        (raising(KeyError()), "KeyError ("),
        (raising(UnprintableError()), "UnprintableError: its message cannot be shown ("),
    ],
)
def test_the_summary_says_type_message_and_line(function, beginning):
    summary = failure_of(function).summary
    assert summary.startswith(beginning)
    assert "\n" not in summary
    assert re.search(rf"{re.escape(__name__)}\.[\w.<>]+, test_failures\.py:\d+\)$", summary)


def test_the_line_of_a_group_is_where_its_first_member_was_raised():
    assert failure_of(in_a_group).summary.endswith(f"test_failures.py:{line_of('in a group')})")


@pytest.mark.parametrize("function", [in_its_body, in_a_group, of_a_database, of_pydantic])
def test_a_stored_error_begins_with_its_summary_and_ends_with_the_traceback(function):
    failure = failure_of(function)
    stored = error_text([failure], 100)
    assert summary_of(stored) == failure.summary
    assert stored.endswith(failure.traceback[-100:])


def test_of_an_error_of_an_earlier_version_the_last_line_is_shown():
    assert summary_of(failure_of(in_its_body).traceback) == "LookupError: a secret"
    assert summary_of("") == ""
