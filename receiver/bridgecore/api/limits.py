"""What a stranger may cost the API: bytes of headers, seconds of waiting, connections."""

import logging
import resource
from dataclasses import dataclass

log = logging.getLogger(__name__)

#: files that the process needs besides those of its connections: Redis and the broker for each of
#: its threads, connections that are being refused, logs
RESERVED_FILES = 96
#: files for one connection: its own socket, and a connection to Redis if it follows the live stream
FILES_PER_CONNECTION = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server. Times are in seconds."""

    #: connections at the same time
    connections: int = 1000
    #: Bytes of a request's first line and headers, or of the trailers after its body. Odoo sends
    #: less than 1 kB, a browser with many cookies some 10 kB.
    header_bytes: int = 64 * 1024
    #: From the first byte of a request, or from the beginning of the connection, to the last byte
    #: of its headers. They come in one packet unless the network is broken.
    header_time: float = 10
    #: From the first byte of a request to the last one of its body; also the time in which a client
    #: must take something of an answer.
    request_time: float = 60
    #: Of a connection that waits for its next request. Long, so that the connections in the pools
    #: of senders stay open.
    idle_time: int = 65
    #: Between two looks at a connection; a limit of time is exceeded by up to this.
    look_interval: float = 2
    #: In which a client whose request is refused may read the answer before the connection is cut.
    farewell_time: float = 1


def possible_connections(wanted: int) -> int:
    """Return how many connections the API may keep: `wanted`, or fewer if files are scarce.

    A process that has used up its files cannot reach Redis any more, and readiness fails. If the
    system allows this process more files than it gets at first, it takes as many as it needs.
    """
    needed = RESERVED_FILES + FILES_PER_CONNECTION * wanted
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY or files >= needed:
        return wanted
    allowed = needed if most == resource.RLIM_INFINITY else min(needed, most)
    if allowed > files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
        files = allowed
    if files >= needed:
        return wanted
    possible = max((files - RESERVED_FILES) // FILES_PER_CONNECTION, 1)
    log.warning(
        "fewer connections than BRIDGECORE_MAX_CONNECTIONS connections=%d: the system allows "
        "this process %d open files; allow it %d (ulimit -n, or LimitNOFILE of systemd), or "
        "lower the setting",
        possible,
        files,
        needed,
    )
    return possible
