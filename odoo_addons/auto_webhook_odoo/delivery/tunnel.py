"""The way through a proxy: what is checked before, CONNECT, and the proxy's failures in words.

A proxy looks up the endpoint's name by itself, so its answer cannot be checked here. What can be
known here is checked all the same. The rest is up to the proxy: an address that it gets for a name
may be private, although this machine knows no such address.
"""

import contextlib
import http.client
import queue
import socket
import threading

from ..wire.addresses import check_address
from ..wire.proxy import authority
from .answers import TimelyResponse, seconds_until

#: Seconds. Behind a proxy there is often no name server for names outside, and nothing that says
#: so. The proxy needs no answer from here.
_LOOK_UP_TIMEOUT = 1


class ProxyFailedError(Exception):
    """The proxy did not do its part; the text names the proxy, and holds no password.

    It is no OSError, for the reason that ``AddressRefusedError`` gives.
    """


def check_target(host, allow_private):
    """Check the addresses that an endpoint's host has here. A name may have none.

    :raises AddressRefusedError: if the proxy may not be asked for this host
    """
    for address in _literal(host) or _looked_up(host):
        check_address(address, allow_private)


def open_tunnel(sock, proxy, host, port, deadline):
    """Make a proxy connect ``sock`` with an endpoint (CONNECT, RFC 9110, section 9.3.6).

    Only the proxy's own credentials are sent. What is meant for the endpoint comes later, under
    TLS.

    :param float deadline: moment of ``time.monotonic``
    :raises ProxyFailedError: if the proxy answers that it does not
    """
    target = authority(host, port)
    headers = {"Host": target, **proxy.headers}
    lines = [
        f"CONNECT {target} HTTP/1.1",
        *(f"{name}: {headers[name]}" for name in headers),
        "",
        "",
    ]
    sock.settimeout(seconds_until(deadline))
    sock.sendall("\r\n".join(lines).encode())
    sock.settimeout(seconds_until(deadline))
    answer = TimelyResponse(sock, method="CONNECT")
    try:
        answer.begin()
    finally:
        answer.close()
    if not 200 <= answer.status < 300:
        raise ProxyFailedError(_refusal(proxy, answer.status))


@contextlib.contextmanager
def naming(proxy, timed_out):
    """Raise errors of a connection to a proxy as ``ProxyFailedError``.

    :param str timed_out: the end of the sentence for a proxy that was too slow
    """
    try:
        yield
    except (socket.gaierror, UnicodeError) as error:
        raise ProxyFailedError(f"The name of the proxy {proxy} is unknown.") from error
    except TimeoutError as error:
        raise ProxyFailedError(f"The proxy {proxy} {timed_out} in time.") from error
    except OSError as error:
        raise ProxyFailedError(f"The proxy {proxy} refused or dropped the connection.") from error
    except http.client.HTTPException as error:
        raise ProxyFailedError(f"The proxy {proxy} does not answer as a proxy does.") from error


def _refusal(proxy, status):
    if status == http.client.PROXY_AUTHENTICATION_REQUIRED:
        if proxy.credentials:
            return f"The proxy {proxy} does not accept the user and the password (HTTP 407)."
        return f"The proxy {proxy} asks for a user and a password (HTTP 407)."
    if status in (502, 503, 504):
        return f"The proxy {proxy} could not reach the endpoint (HTTP {status} from CONNECT)."
    return f"The proxy {proxy} refused to connect to the endpoint (HTTP {status} from CONNECT)."


def _literal(host):
    """Return the address that a host is, in whatever form, such as 127.1 or 0x7f000001."""
    with contextlib.suppress(socket.gaierror):
        return _addresses(host, socket.AI_NUMERICHOST)
    return ()


def _looked_up(host):
    """Return the addresses of a name, or none if there is no answer soon."""
    found = queue.SimpleQueue()

    def look_up():
        try:
            found.put(_addresses(host))
        except (OSError, UnicodeError):
            found.put(())

    # Python cannot interrupt the system's resolver.
    threading.Thread(target=look_up, name="webhook.look_up", daemon=True).start()
    with contextlib.suppress(queue.Empty):
        return found.get(timeout=_LOOK_UP_TIMEOUT)
    return ()


def _addresses(host, flags=0):
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return [address[0] for *_kind, address in found]
