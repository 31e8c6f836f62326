"""Rights to work on something, which end by themselves if their owner does."""

from typing import NamedTuple
from uuid import uuid4

from bridgecore.storage.connection import Connection, prefix


class Lease(NamedTuple):
    """The right to work on something of a source, as long as it is extended."""

    source: str
    name: str
    token: str


class Leases:
    """One owner at a time for each name.

    Parameters:
        period: seconds after which a lease ends if it is not extended.
    """

    def __init__(self, connection: Connection, period: float) -> None:
        self._redis = connection.redis
        self._change = connection.script("lease")
        self.milliseconds = int(period * 1000)

    def acquire(self, source: str, name: str) -> Lease | None:
        """A lease that nobody has, or None."""
        lease = Lease(source, name, uuid4().hex)
        key = f"{prefix(source)}:lease:{name}"
        free = self._redis.set(key, lease.token, nx=True, px=self.milliseconds)
        return lease if free else None

    def extend(self, lease: Lease) -> bool:
        """Keep a lease for another period; False if it has another owner by now."""
        return bool(self._change(lease.source, lease.name, lease.token, self.milliseconds))

    def release(self, lease: Lease) -> bool:
        """Give a lease back; False if it has another owner by now."""
        return bool(self._change(lease.source, lease.name, lease.token, 0))
