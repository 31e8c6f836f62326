"""Asynchronous code from synchronous tasks."""

import asyncio
import contextvars
import threading

import pytest
from bridgecore.concurrency import run_async


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def fail() -> None:
    raise LookupError("lost")


def test_in_a_thread_without_loop():
    assert run_async(double(21)) == 42


def test_in_a_thread_that_never_had_a_loop():
    results = []
    thread = threading.Thread(target=lambda: results.append(run_async(double(21))))
    thread.start()
    thread.join()
    assert results == [42]


def test_inside_a_running_loop():
    async def main() -> int:
        return run_async(double(21))

    assert asyncio.run(main()) == 42


def test_twice_in_one_thread():
    assert run_async(double(1)) + run_async(double(2)) == 6


@pytest.mark.parametrize("inside", [False, True])
def test_exceptions_arrive(inside):
    async def main() -> None:
        run_async(fail())

    with pytest.raises(LookupError, match="lost"):
        asyncio.run(main()) if inside else run_async(fail())


def test_any_awaitable_will_do():
    class Awaitable:
        def __await__(self):
            return double(21).__await__()

    assert run_async(Awaitable()) == 42


def test_context_is_kept_inside_a_running_loop():
    variable = contextvars.ContextVar("variable", default="lost")

    async def read() -> str:
        return variable.get()

    async def main() -> str:
        variable.set("kept")
        return run_async(read())

    assert asyncio.run(main()) == "kept"


@pytest.mark.parametrize("value", [None, 42, double])
def test_what_cannot_be_awaited_is_named(value):
    with pytest.raises(TypeError, match=f"not {type(value).__name__}"):
        run_async(value)
