"""Says in a few words why a server cannot be reached. Anybody may see these words.

The libraries' own messages may quote a URL with its password. They also often hide the system's
reason.
"""

import socket
import ssl
from collections.abc import Iterator

from amqp.exceptions import AccessRefused
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
)
from redis.exceptions import TimeoutError as RedisTimeout
from redis.sentinel import MasterNotFoundError

#: the reason for each kind of error; the first kind that matches counts
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((AuthenticationError, AccessRefused), "wrong user or password"),
    (NoPermissionError, "the user lacks a right"),
    (OutOfMemoryError, "its memory is full"),
    (BusyLoadingError, "still loading its data"),
    (MasterNotFoundError, "no Sentinel knows the master"),
    (ConnectionRefusedError, "connection refused"),
    (socket.gaierror, "unknown host"),
    ((TimeoutError, RedisTimeout), "no answer in time"),
    ((ConnectionResetError, BrokenPipeError), "the server closed the connection"),
    (FileNotFoundError, "no such file: the socket, or a file that an ssl_… option names"),
)


def reason(error: BaseException) -> str:
    """Return the reason that the system or server gave; if there is none, the error's type."""
    for cause in _causes(error):
        for kind, words in _REASONS:
            if isinstance(cause, kind):
                return words
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection is possible"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        if type(cause) is OSError and cause.args:  # from requests; the text names a missing file
            return str(cause)
    return type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
