"""Child processes: starting them and ending them."""

import ctypes
import logging
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

#: seconds that a child has for ending by itself, before it is killed
GRACE = 30

_PR_SET_PDEATHSIG = 1
#: loaded before any fork, because loading in a forked child is not safe
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Child:
    """A child process in a session of its own, so that Ctrl-C reaches only the supervisor.

    If the supervisor is killed, the kernel sends its children SIGTERM (Linux only).
    """

    name: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, name: str, command: list[str], environment: Mapping[str, str], umask: int = -1
    ) -> "Child":
        """Start the command.

        Parameters:
            name: shown in the log.
            umask: rights that files of the child do not get; -1 for those of this process.
        """
        process = subprocess.Popen(  # noqa: S603  # only commands of the receiver itself
            command,
            env=environment,
            start_new_session=True,
            umask=umask,
            preexec_fn=_end_with_parent,
        )
        log.info("started %s pid=%d", name, process.pid)
        return cls(name, process)

    def wait_or_kill(self) -> None:
        """Wait until the process has ended; kill it if that takes longer than `GRACE`."""
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            log.error("%s did not end in %d s, killing it", self.name, GRACE)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def stop(*children: Child) -> None:
    """Tell all children to end, then wait for each."""
    for child in children:
        child.process.terminate()
    for child in children:
        child.wait_or_kill()


def _end_with_parent() -> None:
    if hasattr(_libc, "prctl"):
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
