"""Tells which handler a process has been calling for long, while it is still running."""

import logging
import os
import socket
import threading
import time
from typing import NamedTuple

from redis.exceptions import RedisError

from bridgecore.events import Event
from bridgecore.handling.registry import Handler
from bridgecore.storage.slow_calls import INTERVAL, SlowCall, SlowCalls

log = logging.getLogger(__name__)


class _Call(NamedTuple):
    event: Event
    handler: Handler
    #: `time.monotonic()`
    began: float


class CallWatch:
    """Looks at the running handler every few seconds, in a background thread of the process.

    So a call costs nothing while handlers are fast. A handler that never lets other threads run
    cannot be told of; its lease ends, and other workers take over.

    Parameters:
        worker: name of the worker that the process belongs to.
        slow_after: seconds after which a running handler is told of, in the log and in Redis.
    """

    def __init__(self, slow_calls: SlowCalls, worker: str, slow_after: float) -> None:
        self._slow_calls = slow_calls
        self._worker = worker
        self._slow_after = slow_after
        self._call: _Call | None = None
        #: the call that was noted in Redis
        self._noted: _Call | None = None
        #: seconds after which the log tells of a call again
        self._next_line = slow_after
        self._pid = 0

    def begin(self, event: Event, handler: Handler) -> None:
        """A handler is about to be called."""
        if self._pid != os.getpid():  # a thread does not survive the fork of a process
            self._pid = os.getpid()
            self._noted = None
            threading.Thread(target=self._run, name="call-watch", daemon=True).start()
        self._call = _Call(event, handler, time.monotonic())

    def end(self) -> None:
        """The handler has ended."""
        self._call = None

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(min(INTERVAL, self._slow_after / 2)):
            try:
                self._look(self._call)
            except RedisError as error:
                log.debug("slow handler not noted error=%s", type(error).__name__)

    def _look(self, call: _Call | None) -> None:
        host = socket.gethostname()
        if self._noted is not None and call is not self._noted:
            self._slow_calls.clear(self._noted.event.source, host, self._pid)
            self._noted = None
        if call is None:
            return
        seconds = time.monotonic() - call.began
        if seconds < self._slow_after:
            return
        key = call.event.idempotency_key
        if self._noted is None:
            self._next_line = 0
        if seconds >= self._next_line:
            self._next_line = 2 * seconds
            log.warning(
                "handler runs long event=%s handler=%s seconds=%d", key, call.handler.name, seconds
            )
        self._noted = call
        self._slow_calls.note(
            call.event.source,
            SlowCall(key, call.handler.name, self._worker, host, self._pid, seconds),
        )
