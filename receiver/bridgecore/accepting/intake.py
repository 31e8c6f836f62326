"""Lets concurrent requests share one round trip to Redis and one message."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread

from bridgecore.accepting.acceptance import Acceptance, Receipt
from bridgecore.storage.inbox import Submission

#: submissions that are accepted together
GROUP = 100

#: events from which on a group does not wait for the one before it
LARGE = 100

_Waiting = tuple[Submission, "asyncio.Future[Receipt]"]


class Intake:
    """Accepts submissions in groups: what arrives while one group is stored is the next.

    No submission waits for others to come. Requests are answered in the event loop, groups
    are stored in a thread, and the two meet once per group, because each meeting costs more than
    storing an event.

    Most of the time is spent waiting for Redis, so a large group is stored while the one before it
    is. Small ones are not: they cost less if they wait and become one.
    """

    def __init__(self, acceptance: Acceptance) -> None:
        self._acceptance = acceptance
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="intake", daemon=True)
        self._helper = ThreadPoolExecutor(1, "intake-helper")
        self._helper_is_free = Semaphore()
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Begin, for the event loop that is running."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Finish what was submitted before."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def accept(self, submission: Submission) -> Receipt:
        """Return when the events are durably queued.

        Raises:
            QueueFull, QueueUnavailable
        """
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._queue.put((submission, future))
        return await future

    def _run(self) -> None:
        while group := self._next_group():
            events = sum(len(submission.events) for submission, _ in group)
            if events >= LARGE and self._helper_is_free.acquire(blocking=False):
                stored = self._helper.submit(self._store, group)
                stored.add_done_callback(lambda _: self._helper_is_free.release())
            else:
                self._store(group)
        self._helper.shutdown()

    def _store(self, group: Sequence[_Waiting]) -> None:
        results: Sequence[Receipt | Exception]
        try:
            results = self._acceptance.accept([submission for submission, _ in group])
        except Exception as error:
            results = [error] * len(group)
        self._loop.call_soon_threadsafe(_answer, group, results)

    def _next_group(self) -> list[_Waiting]:
        """The first waiting submission and what came with it; empty at the end."""
        first = self._queue.get()
        group = [first] if first else []
        while first and len(group) < GROUP:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                self._queue.put(None)  # the end, after this group
                break
            group.append(following)
        return group


def _answer(group: Sequence[_Waiting], results: Sequence[Receipt | Exception]) -> None:
    for (_, future), result in zip(group, results, strict=True):
        if future.done():  # whoever asked has gone
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
