"""Leases: rights to work on something for a limited time."""

from typing import NamedTuple
from uuid import uuid4

from bridgecore.storage.connection import Connection


class Lease(NamedTuple):
    """The right of one process to work on a record, to pull or to confirm.

    It ends after a period unless its owner extends it.
    """

    source: str
    #: a record, `sync` or `reports`
    name: str
    #: random text that only the owner knows
    token: str


class Leases:
    """Gives each lease to one owner at a time.

    Parameters:
        period: seconds after which a lease ends if its owner does not extend it.
    """

    def __init__(self, connection: Connection, period: float) -> None:
        self._acquire = connection.script("acquire")
        self._change = connection.script("lease")
        self.milliseconds = int(period * 1000)

    def acquire(self, source: str, name: str) -> Lease | None:
        """Return the lease of this name, or None if it has an owner."""
        lease = Lease(source, name, uuid4().hex)
        is_free = self._acquire(source, name, lease.token, self.milliseconds)
        return lease if is_free else None

    def extend(self, lease: Lease) -> bool:
        """Extend a lease for another period; return False if it was lost."""
        return bool(self._change(lease.source, lease.name, lease.token, self.milliseconds))

    def release(self, lease: Lease) -> bool:
        """Give a lease back; return False if it was lost."""
        return bool(self._change(lease.source, lease.name, lease.token, 0))
