"""Pushes that were refused: what the log says about them, and how many there were."""

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

#: seconds in which each reason has one line, and one more for how often it came again
PERIOD = 10
#: as long as Odoo's ids of a message
_SHOWN = 80


class Refusals:
    """Logs the first push that is refused for a reason at once, and counts the others.

    Whoever has no credentials can cause refusals, so they must not be expensive: they are
    counted in memory, and written to Redis at the end of each period.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._codes: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def note(self, request: Request, error: BridgecoreError) -> None:
        """Log it, unless its reason was logged in this period. To be called in the event loop."""
        self._codes[error.code] += 1
        # Numbers are no other reason: a sender could choose a new one for each push.
        reason = re.sub(r"[0-9]+", "…", error.reason)
        self._reasons[reason] += 1
        if self._reasons[reason] == 1:
            log.warning(
                "push refused status=%d code=%s client=%s webhook_id=%s reason=%s",
                error.status,
                error.code,
                _shown(request.client.host if request.client else ""),
                _shown(request.headers.get("webhook-id", "")),
                error.reason,
            )

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """While the block runs the periods end, one after the other; the last one with it."""
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
                log.warning("pushes refused, left out=%d reason=%s", times - 1, reason)
        self._reasons.clear()
        codes, self._codes = self._codes, Counter()
        if codes:
            try:
                await asyncio.to_thread(self._storage.figures.add_refusals, codes)
            except RedisError:  # counted with those of the next period
                self._codes.update(codes)


def _shown(text: str) -> str:
    """Foreign text for the log: it cannot begin a line, or another value of this one."""
    return re.sub(r"[^A-Za-z0-9_.:@-]", "?", text[:_SHOWN]) or "-"
