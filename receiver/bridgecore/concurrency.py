"""Runs asynchronous code from synchronous code."""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_async(awaitable: Awaitable[T]) -> T:
    """Run an awaitable to its end and return its result.

    It also works in a thread whose event loop is running. That loop cannot run the awaitable while
    this function blocks the thread, so the awaitable gets a thread and a loop of its own.

    Raises:
        TypeError: the argument cannot be awaited, for example a coroutine function that was not
            called.
        Exception: any exception that the awaitable raises.
    """
    if not inspect.isawaitable(awaitable):
        raise TypeError(f"run_async needs an awaitable, not {type(awaitable).__name__}")

    async def wait() -> T:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="run_async") as thread:
        return thread.submit(context.run, asyncio.run, wait()).result()
