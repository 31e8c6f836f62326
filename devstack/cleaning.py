"""Removes the cache folder. Standard library only: it must work when little else does."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from contextlib import suppress

from devstack import DevstackError, console
from devstack.cache import CACHE

#: Only what we made is removed: DEVSTACK_CACHE may name a folder that holds other things too.
_OURS = (
    "apt",
    "image",
    "locks",
    "odoo",
    "odoo-data",
    "peers",
    "pip",
    "postgres",
    "postgres-push",
    "pycache",
    "pytest-addon",
    "run",
    "uv",
    "venvs",
)


def remove_cache() -> None:
    """Remove it, unless a run is still using it."""
    if not CACHE.exists():
        return
    (CACHE / "locks").mkdir(exist_ok=True)
    with (CACHE / "locks" / "postgres-users").open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DevstackError("A demo or a test is still running; stop it first.") from error
        for cluster in ("postgres", "postgres-push"):
            _stop_orphaned_postgres(cluster)
        with console.step(f"Removing {CACHE}"):
            for name in _OURS:
                shutil.rmtree(CACHE / name, ignore_errors=True)
            with suppress(OSError):  # holds something that is not ours
                CACHE.rmdir()


def _stop_orphaned_postgres(cluster: str) -> None:
    """Stop the server if its last user was killed and could not do it."""
    with suppress(OSError, ValueError, IndexError):
        process = int((CACHE / cluster / "postmaster.pid").read_text().splitlines()[0])
        os.kill(process, signal.SIGINT)
        for _ in range(100):
            os.kill(process, 0)
            time.sleep(0.1)
