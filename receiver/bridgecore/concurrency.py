"""The one bridge from synchronous tasks to asynchronous code."""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_async(awaitable: Awaitable[T]) -> T:
    """Run to completion and return the result, whether or not this thread has an event loop.

    A thread whose loop is already running cannot wait for it without blocking it for
    good, so there the work gets a thread, and a loop, of its own.

    Raises:
        TypeError: the argument cannot be awaited (a function that was not called, say).
        Exception: whatever the awaitable raises.
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
