"""HTTP connections to addresses that an administrator typed in.

Each IP address is checked right before the connection to it is opened, and the name is not looked
up again in between. A name that resolves differently the second time (DNS rebinding) gains nothing.
``tunnel.py`` says what is checked if a proxy stands in between.

A request has one deadline for everything, from connecting to the last byte of the answer. The
timeout of a socket would not do: it begins anew with every address, every TLS record and every
byte, so an endpoint that sends a byte every few seconds would outlast its lease.

The module works with urllib3 1.26 and 2.
"""

import functools
import socket
import ssl
import time

import urllib3
from urllib3 import exceptions as errors
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ..wire.addresses import AddressRefusedError, check_address
from ..wire.proxy import authority, proxy_of
from .answers import NoAnswerError, TimelyResponse, seconds_until
from .tls import tls_context
from .tunnel import check_target, naming, open_tunnel

#: Seconds for which a connection is kept. A name that has moved to another address is looked up
#: again after that time, also if its connection is never idle. It is the time to live of many names
#: that move, such as those of load balancers. A new connection a minute costs next to nothing.
MAX_AGE = 60

_CONNECT_TIMEOUT = 5  # seconds; a reachable endpoint accepts long before
_ADDRESS_TIMEOUT = 1  # seconds that each address of a name gets at least
_TLS_RECORD = 16384  # bytes

_POOLS = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}


def open_connections(
    allow_private, verify_ssl, client_certificate="", client_key="", proxy="", proxy_exceptions=""
):
    """Return a pool of connections that are kept alive, for at most ``MAX_AGE``, and checked.

    It does not use ``requests``, which takes half a millisecond more: a fifth of the time between
    the commit and the endpoint. Proxies of the environment are not used: an address behind a proxy
    cannot be checked, so an administrator has to choose that.

    :param client_certificate: PEM, for endpoints that ask for one; may be empty
    :param client_key: PEM, the key of the certificate
    :param proxy: the address of ``wire.proxy.proxy_of``
    :param proxy_exceptions: the exceptions of ``wire.proxy.proxy_of``
    """
    return _Connections(
        allow_private,
        functools.partial(tls_context, verify_ssl, client_certificate, client_key),
        functools.partial(proxy_of, address=proxy, exceptions=proxy_exceptions),
    )


class _Connections(urllib3.PoolManager):
    def __init__(self, allow_private, new_tls_context, proxy_for):
        super().__init__()
        self._allow_private = allow_private
        self._new_tls_context = new_tls_context
        self._proxy_for = proxy_for

    def _new_pool(self, scheme, host, port, request_context=None):
        """Return the pool for one endpoint, in the place of urllib3's.

        :raises NotConnectedError: if certificates or the proxy's settings cannot be used
        """
        options = {"timeout": _CONNECT_TIMEOUT}  # each request sets its own
        try:
            if scheme == "https":
                options["ssl_context"] = self._new_tls_context()
            proxy = self._proxy_for(host)
        except ValueError as error:
            raise NotConnectedError from error
        return _guarded(_POOLS[scheme], self._allow_private, proxy)(host, port, **options)

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
            try:
                return send(timeout=urllib3.Timeout(total=timeout))
            except _StaleConnectionError:  # the pool has dropped it; a new one is opened
                left = seconds_until(deadline)
            return send(timeout=urllib3.Timeout(total=left))
        except Exception:
            self.clear()  # the next request reads the trusted certificates from their file again
            raise


def _guarded(pool_class, allow_private, proxy):
    """Return a pool class of urllib3 whose connections have ``_Guarded`` before their class."""

    class Connection(_Guarded, pool_class.ConnectionCls):
        may_be_private = allow_private
        through = proxy

    class Pool(pool_class):
        ConnectionCls = Connection

        def _get_conn(self, timeout=None):
            connection = super()._get_conn(timeout)
            if connection.is_old():
                connection.close()  # it is opened anew when it is used
            return connection

    return Pool


class _StaleConnectionError(Exception):
    """The endpoint had closed a kept connection meanwhile, which says nothing about the endpoint.

    It is no OSError, for the reason that ``AddressRefusedError`` gives.
    """


class NotConnectedError(Exception):
    """No connection could be opened, so nothing was sent. Its cause says why.

    It is no OSError, for the reason that ``AddressRefusedError`` gives.
    """


class _Guarded:
    """Goes in front of a connection class of urllib3: checks addresses and keeps the deadline."""

    response_class = TimelyResponse
    may_be_private = False
    through = None  # ``Proxy``
    _answered = False  # since it was connected
    _old_at = 0.0  # moment of ``time.monotonic``

    @property
    def timeout(self):
        """Seconds until the deadline. Before each step urllib3 sets what is left of the total."""
        return max(self._deadline - time.monotonic(), 0.001)  # 0 means without blocking

    @timeout.setter
    def timeout(self, seconds):
        self._deadline = time.monotonic() + seconds

    def is_old(self):
        """Return whether the connection has been open for ``MAX_AGE``, or is not open."""
        return time.monotonic() > self._old_at

    def connect(self):
        self._answered = False
        self._old_at = time.monotonic() + MAX_AGE
        try:
            return super().connect()
        except TimeoutError as error:
            raise NotConnectedError from errors.ConnectTimeoutError(str(error))
        except Exception as error:
            raise NotConnectedError from error

    def _new_conn(self):
        """Return a socket that is connected with the endpoint, or with the proxy for ``http``."""
        proxy = self.through
        if not proxy:
            return self._connected_to(self._dns_host.strip("[]"), self.port, self.may_be_private)
        check_target(self.host, self.may_be_private)
        with naming(proxy, "did not accept the connection"):
            sock = self._connected_to(proxy.host, proxy.port, may_be_private=True)
        if self._is_tunnelled:
            try:
                with naming(proxy, "did not reach the endpoint"):
                    open_tunnel(sock, proxy, self.host, self.port, self._deadline)
                sock.settimeout(seconds_until(self._deadline))  # for the TLS handshake
            except BaseException:
                sock.close()
                raise
        return sock

    @property
    def _is_tunnelled(self):
        return self.default_port == HTTPSConnectionPool.ConnectionCls.default_port

    def _connected_to(self, host, port, may_be_private):
        """Return a connected socket, or raise the error of the last address.

        Unlike urllib3, this checks each address, and shares the time among the addresses of a name.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        deadline = min(self._deadline, time.monotonic() + _CONNECT_TIMEOUT)
        failure = None
        for tried, (family, kind, protocol, _name, address) in enumerate(found):
            try:
                check_address(address[0], may_be_private)
                left = seconds_until(deadline)
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
            sock.settimeout(seconds_until(self._deadline))  # for the TLS handshake
        except BaseException:
            sock.close()
            raise
        return sock

    def request(self, method, url, **options):
        """Send headers and body together, which saves packets and wakes the endpoint only once."""
        self._parts = []
        if self.through and not self._is_tunnelled:
            # the whole URL, for the proxy (RFC 9112, section 3.2.2)
            url = f"http://{authority(self.host, self.port).removesuffix(':80')}{url}"
            options["headers"] = {**options["headers"], **self.through.headers}
        super().request(method, url, **options)
        if self.sock is None:
            self.connect()
        data = b"".join(self._parts)
        try:
            for start in range(0, len(data), _TLS_RECORD):
                self.sock.settimeout(seconds_until(self._deadline))
                self.sock.sendall(data[start : start + _TLS_RECORD])
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # The endpoint may have answered before it had read everything: getresponse() tells.
            return

    def send(self, data):
        self._parts.append(data)

    def getresponse(self):
        kept, self._answered = self._answered, True
        try:
            response = super().getresponse()
        except NoAnswerError as error:
            if kept:
                raise _StaleConnectionError from error
            raise
        if kept and response.status == 408:
            # A server may say so, unasked, before it closes an idle connection (RFC 9110, 15.5.9).
            raise _StaleConnectionError
        return response
