"""Extends the leases of this process while it works."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from bridgecore.storage.leases import Lease, Leases

log = logging.getLogger(__name__)


class HeldLease:
    """The one lease that a block of `LeaseKeeper.hold` needs at the moment, if any."""

    def __init__(self, lease: Lease | None) -> None:
        self.lease = lease


class LeaseKeeper:
    """Extends every held lease three times per period, in one background thread.

    If the process dies, its leases end after a period, and other processes take over.
    """

    def __init__(self, leases: Leases, period: float) -> None:
        self._leases = leases
        self._interval = period / 3  # seconds
        self._held: set[HeldLease] = set()
        self._pid = 0

    @contextmanager
    def hold(self, lease: Lease | None = None) -> Iterator[HeldLease]:
        """Extend a lease as long as the block runs.

        The block may set another lease, or none, in the yielded object. The caller gives the
        leases back.
        """
        self._start()
        held = HeldLease(lease)
        self._held.add(held)
        try:
            yield held
        finally:
            self._held.discard(held)

    def _start(self) -> None:
        # A thread does not survive the fork of a process.
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._held.clear()
            threading.Thread(target=self._run, name="lease-keeper", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._interval):
            for held in tuple(self._held):
                if lease := held.lease:
                    self._extend(lease)

    def _extend(self, lease: Lease) -> None:
        try:
            self._leases.extend(lease)
        except RedisError as error:
            log.warning("lease not extended name=%s error=%s", lease.name, error)
