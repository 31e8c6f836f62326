"""HTTP connections to addresses that an administrator typed in.

Each IP address is checked right before the connection to it is opened, and the name is not looked
up again in between. A name that resolves differently the second time (DNS rebinding) gains nothing.

A request has one deadline for everything, from connecting to the last byte of the answer. The
timeout of a socket would not do: it begins anew with every address, every TLS record and every
byte, so an endpoint that sends a byte every few seconds would outlast its lease.

The module works with urllib3 1.26 and 2.
"""

import functools
import http.client
import io
import os
import socket
import ssl
import time

import urllib3
from requests.certs import where as certificates
from urllib3 import exceptions as errors
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from ..wire.addresses import AddressRefusedError, check_address

_CONNECT_TIMEOUT = 5  # seconds; a reachable endpoint accepts long before
_ADDRESS_TIMEOUT = 1  # seconds that each address of a name gets at least
_TLS_RECORD = 16384  # bytes


class CertificatesError(ValueError):
    """The file with the trusted certificates cannot be used; the text names the file."""


def open_connections(allow_private, verify_ssl):
    """Return a pool of connections that are kept alive and checked.

    The pool uses no proxy of the environment, because behind a proxy it could not tell which
    address it talks to. It does not use ``requests``, which takes half a millisecond more: a fifth
    of the time between the commit and the endpoint.
    """
    return _Connections(allow_private, verify_ssl)


class _Connections(urllib3.PoolManager):
    def __init__(self, allow_private, verify_ssl):
        super().__init__(timeout=_CONNECT_TIMEOUT)  # each request sets its own
        self.pool_classes_by_scheme = {
            "http": _guarded(HTTPConnectionPool, allow_private),
            "https": functools.partial(_secure_pool, allow_private, verify_ssl),
        }

    def urlopen(self, method, url, *, timeout, **options):
        """Send one request and return its response, whose body is not read yet.

        :param timeout: seconds for everything together, including reading the body later. Looking
            up a name cannot be interrupted, but nothing is sent if the look-up took longer.
        """
        deadline = time.monotonic() + timeout
        send = functools.partial(
            super().urlopen,
            *(method, url),
            redirect=False,
            retries=False,
            preload_content=False,
            **options,
        )
        try:
            return send(timeout=urllib3.Timeout(total=timeout))
        except _StaleConnectionError:  # the pool has dropped it; a new one is opened
            left = _seconds_until(deadline)
        return send(timeout=urllib3.Timeout(total=left))


def _secure_pool(allow_private, verify_ssl, *args, **options):
    """Return a pool whose connections share one TLS context, because loading one is slow."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify_ssl else ssl.CERT_NONE)
    if verify_ssl:
        # by these variables requests and OpenSSL find the certificates of a private authority
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        bundle = next(filter(None, map(os.environ.get, names)), None) or certificates()
        try:
            kind = "capath" if os.path.isdir(bundle) else "cafile"
            context.load_verify_locations(**{kind: bundle})
        except OSError as error:
            raise CertificatesError(f"No certificates can be read from {bundle}.") from error
    return _guarded(HTTPSConnectionPool, allow_private)(*args, ssl_context=context, **options)


def _guarded(pool_class, allow_private):
    """Return a pool class of urllib3 whose connections have ``_Guarded`` before their class."""

    class Connection(_Guarded, pool_class.ConnectionCls):
        may_be_private = allow_private

    class Pool(pool_class):
        ConnectionCls = Connection

    return Pool


def _seconds_until(deadline):
    """Return the seconds that are left until the deadline.

    :raises TimeoutError: if it has passed
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the request took too long")
    return left


class _StaleConnectionError(Exception):
    """The endpoint had closed a kept connection meanwhile, which says nothing about the endpoint.

    It is no OSError, for the reason that ``AddressRefusedError`` gives.
    """


class NotConnectedError(Exception):
    """No connection could be opened, so nothing was sent. Its cause says why.

    It is no OSError, for the reason that ``AddressRefusedError`` gives.
    """


class _NoAnswerError(http.client.RemoteDisconnected):
    """A connection ended before the first byte of an answer."""


class _TimelyResponse(http.client.HTTPResponse):
    """A response that is complete within the timeout of its socket, or fails."""

    def __init__(self, sock, *args, **kwargs):
        super().__init__(_TimelySocket(sock), *args, **kwargs)


class _TimelySocket:
    """Has the one method of a socket that ``http.client.HTTPResponse`` calls."""

    def __init__(self, sock):
        self._sock = sock

    def makefile(self, _mode):
        return io.BufferedReader(_TimelyReader(self._sock))


class _TimelyReader(io.RawIOBase):
    """Reads from a socket until a deadline."""

    def __init__(self, sock):
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open meanwhile
        self._deadline = time.monotonic() + sock.gettimeout()
        self._begun = False

    def readable(self):
        return True

    def readinto(self, buffer):
        self._sock.settimeout(_seconds_until(self._deadline))
        try:
            count = self._file.readinto(buffer)
        except ConnectionError as error:
            if self._begun:
                raise
            raise _NoAnswerError(str(error)) from error
        if not (count or self._begun):
            raise _NoAnswerError("closed without an answer")
        self._begun = True
        return count

    def close(self):
        self._file.close()
        return super().close()


class _Guarded:
    """Goes in front of a connection class of urllib3: checks addresses and keeps the deadline."""

    response_class = _TimelyResponse
    may_be_private = False
    _answered = False  # since it was connected

    @property
    def timeout(self):
        """Seconds until the deadline. Before each step urllib3 sets what is left of the total."""
        return max(self._deadline - time.monotonic(), 0.001)  # 0 means without blocking

    @timeout.setter
    def timeout(self, seconds):
        self._deadline = time.monotonic() + seconds

    def connect(self):
        self._answered = False
        try:
            return super().connect()
        except TimeoutError as error:
            raise NotConnectedError from errors.ConnectTimeoutError(str(error))
        except Exception as error:
            raise NotConnectedError from error

    def _new_conn(self):
        """Return a connected socket, or raise the error of the last address.

        Unlike urllib3, this checks each address, and shares the time among the addresses of a name.
        """
        found = socket.getaddrinfo(self._dns_host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        deadline = min(self._deadline, time.monotonic() + _CONNECT_TIMEOUT)
        failure = None
        for tried, (family, kind, protocol, _name, address) in enumerate(found):
            try:
                check_address(address[0], self.may_be_private)
                left = _seconds_until(deadline)
                share = min(left, max(left / (len(found) - tried), _ADDRESS_TIMEOUT))
                return self._connected(socket.socket(family, kind, protocol), address, share)
            except (AddressRefusedError, OSError) as error:
                failure = error
        raise failure

    def _connected(self, sock, address, timeout):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            sock.connect(address)
            sock.settimeout(_seconds_until(self._deadline))  # for the TLS handshake
        except BaseException:
            sock.close()
            raise
        return sock

    def request(self, *args, **options):
        """Send headers and body together, which saves packets and wakes the endpoint only once."""
        self._parts = []
        super().request(*args, **options)
        if self.sock is None:
            self.connect()
        data = b"".join(self._parts)
        try:
            for start in range(0, len(data), _TLS_RECORD):
                self.sock.settimeout(_seconds_until(self._deadline))
                self.sock.sendall(data[start : start + _TLS_RECORD])
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # The endpoint may have answered before it had read everything: getresponse() tells.
            return

    def send(self, data):
        self._parts.append(data)

    def getresponse(self):
        kept, self._answered = self._answered, True
        try:
            return super().getresponse()
        except _NoAnswerError as error:
            if kept:
                raise _StaleConnectionError from error
            raise
