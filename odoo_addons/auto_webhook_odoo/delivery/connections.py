"""HTTP connections that may be opened to an address that a person typed in.

Every address is checked once the socket is connected and before anything is sent: a name that
resolves differently the second time (DNS rebinding) gains nothing. An answer has to be complete
before a deadline: a timeout of the socket begins anew with every byte, and an endpoint that sends
one every few seconds would outlast its lease.
"""

import http.client
import io
import ipaddress
import time

import urllib3
from requests.certs import where as certificates
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: Metadata services of clouds; that of the others is link-local.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
)


class AddressRefusedError(ValueError):
    """An address may not be talked to; the text says which and why. No OSError, because urllib3
    would take it for a connection that broke."""


def open_connections(allow_private, verify_ssl):
    """Return a ``urllib3.PoolManager`` that keeps its connections and refuses addresses.

    It uses no proxy of the environment: with one in between it could not tell which address is
    talked to. Not ``requests``: it takes half a millisecond more, a fifth of the time that an event
    takes from the commit to the endpoint.
    """
    manager = urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED" if verify_ssl else "CERT_NONE", ca_certs=certificates()
    )
    manager.pool_classes_by_scheme = {
        "http": _guarded(HTTPConnectionPool, HTTPConnection, allow_private),
        "https": _guarded(HTTPSConnectionPool, HTTPSConnection, allow_private),
    }
    return manager


def check_address(address, allow_private):
    """Check an IP address, given as text.

    :raises AddressRefusedError: if nothing may be sent to it
    """
    ip = ipaddress.ip_address(address.partition("%")[0])  # a zone may follow an IPv6 address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA:
        raise AddressRefusedError(f"{ip} is a link-local or metadata address: always refused.")
    if not ip.is_global and not allow_private:
        raise AddressRefusedError(
            f"{ip} is in a private network. If the endpoint is yours, allow private networks on "
            "the subscriber."
        )


def _guarded(pool_class, connection_class, allow_private):
    class Connection(connection_class):
        response_class = _TimelyResponse

        def _new_conn(self):
            sock = super()._new_conn()
            try:
                check_address(sock.getpeername()[0], allow_private)
            except AddressRefusedError:
                sock.close()
                raise
            return sock

    class Pool(pool_class):
        ConnectionCls = Connection

    return Pool


class _TimelyResponse(http.client.HTTPResponse):
    """A response that is complete within the timeout of its socket, or fails."""

    def __init__(self, sock, *args, **kwargs):
        super().__init__(_TimelySocket(sock), *args, **kwargs)


class _TimelySocket:
    """The one method of a socket that ``http.client.HTTPResponse`` uses."""

    def __init__(self, sock):
        self._sock = sock

    def makefile(self, _mode):
        return io.BufferedReader(_TimelyReader(self._sock))


class _TimelyReader(io.RawIOBase):
    def __init__(self, sock):
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open until it is read
        self._deadline = time.monotonic() + sock.gettimeout()

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self):
        self._file.close()
        return super().close()
