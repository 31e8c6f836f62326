"""Why something cannot be reached, in a few words that may be shown to anybody.

What libraries say of it may quote a URL with its password, and often hides what the system said.
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

#: the first that fits
_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((AuthenticationError, AccessRefused), "it refuses user or password"),
    (NoPermissionError, "its user lacks a right"),
    (OutOfMemoryError, "it is full"),
    (BusyLoadingError, "it is still loading its data"),
    (MasterNotFoundError, "no Sentinel names a master"),
    (ConnectionRefusedError, "connection refused"),
    (socket.gaierror, "unknown host"),
    ((TimeoutError, RedisTimeout), "no answer in time"),
    ((ConnectionResetError, BrokenPipeError), "it closed the connection"),
    (FileNotFoundError, "no such file: the socket, or one that an option ssl_… names"),
)


def reason(error: BaseException) -> str:
    """What the system or the server said; the type of the error if that is all there is."""
    for cause in _causes(error):
        for kind, words in _WORDS:
            if isinstance(cause, kind):
                return words
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as wanted"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        if type(cause) is OSError and cause.args:  # requests': it names a file that is missing
            return str(cause)
    return type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
