"""Accepts the submissions of concurrent requests in groups."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread

from bridgecore.accepting.acceptance import Acceptance, Receipt
from bridgecore.storage.inbox import Submission

#: submissions in one group at most
GROUP = 100

#: events from which on a group is stored without waiting for the group before it
LARGE = 100

_Waiting = tuple[Submission, "asyncio.Future[Receipt]"]


class Intake:
    """Groups submissions, so that they share one round trip to Redis and one message.

    The submissions that arrive while a group is stored are the next group. No submission waits for
    others to arrive. The event loop answers the requests, a thread stores the groups. They
    communicate once per group, because that costs more than storing an event.

    Storing a group is mostly waiting for Redis. So a helper thread stores a large group at the same
    time as the next one. Small groups wait instead, because one larger group costs less.
    """

    def __init__(self, acceptance: Acceptance) -> None:
        self._acceptance = acceptance
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="intake", daemon=True)
        self._helper = ThreadPoolExecutor(1, "intake-helper")
        self._helper_is_free = Semaphore()
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Start the thread. The running event loop will answer the requests."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Store the submissions that wait, and stop the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def accept(self, submission: Submission) -> Receipt:
        """Accept a submission; return its receipt when the events are durably queued.

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
        """Wait for a submission; return it with the others that wait, or nothing at the end."""
        first = self._queue.get()
        group = [first] if first else []
        while first and len(group) < GROUP:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                self._queue.put(None)  # for the next call
                break
            group.append(following)
        return group


def _answer(group: Sequence[_Waiting], results: Sequence[Receipt | Exception]) -> None:
    for (_, future), result in zip(group, results, strict=True):
        if future.done():  # the request was cancelled
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
