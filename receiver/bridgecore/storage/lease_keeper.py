"""Keeps the leases of this process alive while their owners work."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from bridgecore.storage.leases import Lease, Leases

log = logging.getLogger(__name__)


class HeldLease:
    """Holds one lease at a time."""

    def __init__(self, lease: Lease | None) -> None:
        self.lease = lease


class LeaseKeeper:
    """Extends every held lease three times per period, from one background thread.

    A process that dies stops extending, and others take over when the period is over.
    """

    def __init__(self, leases: Leases, period: float) -> None:
        self._leases = leases
        self._interval = period / 3  # seconds
        self._held: set[HeldLease] = set()
        self._pid = 0

    @contextmanager
    def hold(self, lease: Lease | None = None) -> Iterator[HeldLease]:
        """Extend the lease that the hand holds, as long as the block runs.

        Giving it back is the caller's.
        """
        self._start()
        held = HeldLease(lease)
        self._held.add(held)
        try:
            yield held
        finally:
            self._held.discard(held)

    def _start(self) -> None:
        # A thread does not survive the fork of a worker's process.
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
