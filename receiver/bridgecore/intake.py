"""Lets concurrent requests share one round trip to Redis and one message."""

import asyncio
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread

from bridgecore.acceptance import Acceptance, Receipt
from bridgecore.errors import BridgecoreError
from bridgecore.storage.work import Submission

#: submissions that are accepted together
GROUP = 100

_Waiting = tuple[Submission, "Future[Receipt | BridgecoreError]"]


class Intake:
    """Accepts submissions in groups: what arrives while one group is stored is the next.

    A lone submission does not wait for others.
    """

    def __init__(self, acceptance: Acceptance) -> None:
        self._acceptance = acceptance
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what was submitted before."""
        self._queue.put(None)
        self._thread.join()

    async def accept(self, submission: Submission) -> Receipt:
        """Return when the events are durably queued.

        Raises:
            QueueFull, QueueUnavailable
        """
        future: Future[Receipt | BridgecoreError] = Future()
        self._queue.put((submission, future))
        result = await asyncio.wrap_future(future)
        if isinstance(result, BridgecoreError):
            raise result
        return result

    def _run(self) -> None:
        while group := self._next_group():
            try:
                results = self._acceptance.accept([submission for submission, _ in group])
            except Exception as error:
                for _, future in group:
                    if future.set_running_or_notify_cancel():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(group, results, strict=True):
                if future.set_running_or_notify_cancel():
                    future.set_result(result)

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
