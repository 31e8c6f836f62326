"""How much memory Redis has left."""

import time
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

#: The part of maxmemory that pushes and pulls may not use, and its upper limit in bytes. Whatever
#: makes events fewer needs some memory, too: messages, leases, results, confirmations.
HEADROOM, MOST_HEADROOM = 0.1, 64 * 1024 * 1024

#: seconds for which a measurement is good enough
_MAX_AGE = 0.5

#: bytes in Redis for each byte of an event's content
_OVERHEAD = 1.5


class Memory:
    """Tells whether events may be accepted, without asking Redis for each of them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        #: bytes that may be used until the next measurement; None: there is no limit
        self._left: float | None = None
        self._headroom = 0
        self._measured_at = -_MAX_AGE

    def has_room(self, size: int) -> bool:
        """Return whether events with so many bytes of content may be accepted.

        If they may, they count as accepted until the next measurement.

        Raises:
            RedisError
        """
        self._refresh()
        if self._left is None:
            return True
        if self._left < size * _OVERHEAD:
            return False
        self._left -= size * _OVERHEAD
        return True

    def is_short(self) -> bool:
        """Return whether so little is left that nothing should be stored that is only for reading.

        Raises:
            RedisError
        """
        self._refresh()
        return self._left is not None and self._left < self._headroom

    def is_relaxed(self) -> bool:
        """Return whether there is so much room that nothing has to be forgotten.

        Raises:
            RedisError
        """
        self._refresh()
        return self._left is None or self._left > 2 * self._headroom

    def _refresh(self) -> None:
        if time.monotonic() - self._measured_at >= _MAX_AGE:
            self.measure()

    def measure(self) -> None:
        """Ask Redis how much memory is left.

        Raises:
            RedisError
        """
        try:
            memory: Any = self._redis.info("memory")
        except ResponseError:  # this Redis user may not ask, so no limit is known
            memory = {"used_memory": 0}
        most = int(memory.get("maxmemory", 0))
        self._headroom = headroom(most)
        self._left = most - used_bytes(memory) - self._headroom if most else None
        self._measured_at = time.monotonic()


def used_bytes(memory: dict[str, Any]) -> int:
    """Return what Redis compares with maxmemory: without the buffers of replicas and of the AOF.

    Parameters:
        memory: the section `memory` of INFO.
    """
    return int(memory["used_memory"]) - int(memory.get("mem_not_counted_for_evict", 0))


def headroom(maxmemory: int) -> int:
    """Return how many bytes are kept free."""
    return min(int(maxmemory * HEADROOM), MOST_HEADROOM)
