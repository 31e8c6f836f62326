"""Processes of our own that we start and end."""

import ctypes
import logging
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

#: seconds; what is still running then is killed
GRACE = 30


_PR_SET_PDEATHSIG = 1
#: looked up before any fork
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours, in a session of its own, so that Ctrl-C reaches only the supervisor.

    If the supervisor is killed, the kernel tells its children to end (on Linux).
    """

    name: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, name: str, command: list[str], environment: Mapping[str, str]) -> "Child":
        process = subprocess.Popen(  # noqa: S603  # our own commands
            command,
            env=environment,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        log.info("started %s pid=%d", name, process.pid)
        return cls(name, process)

    def end(self) -> None:
        """Wait until it has ended, after it was told to."""
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            log.error("%s did not end in %d s, killing it", self.name, GRACE)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def stop(*children: Child) -> None:
    """End children together, each in its own time."""
    for child in children:
        child.process.terminate()
    for child in children:
        child.end()


def _end_with_parent() -> None:
    if hasattr(_libc, "prctl"):
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
