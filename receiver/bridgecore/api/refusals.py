"""Logs and counts the pushes that the API refuses."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from redis.exceptions import RedisError

from bridgecore.errors import BridgecoreError
from bridgecore.storage import Storage

log = logging.getLogger(__name__)

#: Seconds in which each reason gets at most two log lines: one for the first push, and one at the
#: end with the number of the others.
PERIOD = 10
#: characters of a sender's text in the log; Odoo's `webhook-id` has no more
_MAX_LOGGED = 80


class Refusals:
    """Logs the first refused push of each reason at once, and counts the others.

    Anybody can send pushes that are refused, so refusing must be cheap. The refusals are counted in
    memory. They are written to Redis at the end of each period.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._codes: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def note(self, request: Request, error: BridgecoreError) -> None:
        """Count a refused push, and log it unless its reason was logged in this period.

        Not safe to use from several threads: call it in the event loop.
        """
        self._codes[error.code] += 1
        # Texts that differ only in numbers are one reason. Otherwise a sender could cause a log
        # line with each push, by sending another number each time.
        reason = re.sub(r"[0-9]+", "…", error.reason)
        self._reasons[reason] += 1
        if self._reasons[reason] == 1:
            log.warning(
                "push refused status=%d code=%s client=%s webhook_id=%s reason=%s",
                error.status,
                error.code,
                _loggable(request.client.host if request.client else ""),
                _loggable(request.headers.get("webhook-id", "")),
                error.reason,
            )

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """End a period every `PERIOD` seconds while the block runs, and the last one with it."""
        periods = asyncio.create_task(self._periods())
        try:
            yield
        finally:
            periods.cancel()
            await self._end_period()

    async def _periods(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            await self._end_period()

    async def _end_period(self) -> None:
        for reason, times in self._reasons.items():
            if times > 1:
                log.warning("more pushes refused left_out=%d reason=%s", times - 1, reason)
        self._reasons.clear()
        codes, self._codes = self._codes, Counter()
        if codes:
            try:
                await asyncio.to_thread(self._storage.figures.add_refusals, codes)
            except RedisError:  # add them to the next period
                self._codes.update(codes)


def _loggable(text: str) -> str:
    """Return a sender's text in a form that is safe to log.

    The text cannot begin another log line or another `name=value` pair.
    """
    return re.sub(r"[^A-Za-z0-9_.:@-]", "?", text[:_MAX_LOGGED]) or "-"
