"""The proxy through which endpoints are reached, and the endpoints that are reached without it."""

import base64
import contextlib
import dataclasses
import ipaddress
import re
import urllib.parse

_ADDRESS = re.compile(
    r"http://(?:([^\s/?#@]*)@)?(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?):([0-9]{1,5})/?",
    re.IGNORECASE,
)
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class ProxySettingError(ValueError):
    """The text says what is wrong with a setting. It never holds the proxy's password."""


@dataclasses.dataclass(frozen=True)
class Proxy:
    """A proxy that speaks HTTP. Its text is ``host:port``, without user and password."""

    host: str
    port: int
    #: ``user:password``, or empty
    credentials: str = dataclasses.field(default="", repr=False)

    def __str__(self):
        return authority(self.host, self.port)

    @property
    def headers(self):
        """The headers by which the proxy knows its user (RFC 7617)."""
        return {"Proxy-Authorization": f"Basic {self._encoded}"} if self.credentials else {}

    @property
    def secrets(self):
        """Texts that must not be shown."""
        return {self.credentials, self._encoded, self.credentials.partition(":")[2]}

    @property
    def _encoded(self):
        return base64.b64encode(self.credentials.encode()).decode()


def authority(host, port):
    """Return ``host:port``, with an IPv6 address in brackets (RFC 3986, section 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_proxy(address):
    """Return the ``Proxy`` of an address ``http://[user:password@]host:port``.

    :raises ProxySettingError: if the address has another form
    """
    match = _ADDRESS.fullmatch(address.strip())
    if not match or not 0 < int(match[3]) < 65536:
        raise ProxySettingError(
            "the proxy must have the form http://host:port or http://user:password@host:port, with "
            "special characters of user and password written as %40 for @, %2F for /"
        )
    user, colon, password = (match[1] or "").partition(":")
    credentials = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    return Proxy(match[2].strip("[]").lower(), int(match[3]), credentials if user or colon else "")


def proxy_of(host, address, exceptions):
    """Return the ``Proxy`` through which a host is reached, or None.

    :param str address: as ``parse_proxy`` reads it; empty if no proxy is used
    :param str exceptions: as ``parse_exceptions`` reads it
    :raises ProxySettingError: if one of them cannot be understood
    """
    if not address or goes_direct(host, parse_exceptions(exceptions)):
        return None
    return parse_proxy(address)


def parse_exceptions(text):
    """Return the hosts that need no proxy, as ``goes_direct`` takes them.

    :param str text: hosts, ``*.suffixes``, IP addresses and networks, separated by commas or spaces
    :raises ProxySettingError: if one of them is something else
    """
    return tuple(map(_parse_exception, filter(None, re.split(r"[\s,;]+", text))))


def _parse_exception(entry):
    with contextlib.suppress(ValueError):
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    name = entry.removeprefix("*.")
    try:
        name = name.rstrip(".").encode("idna").decode().lower()  # as it stands in a request
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ProxySettingError(
            f"“{entry}” is neither a host such as hooks.example.com, nor *.example.com, nor a "
            "network such as 10.0.0.0/8"
        )
    return f".{name}" if entry.startswith("*.") else name


def goes_direct(host, exceptions):
    """Return whether a host is reached without the proxy.

    This machine always is: the proxy would take ``localhost`` for itself.

    :param exceptions: the result of ``parse_exceptions``. Networks apply to hosts that are IP
        addresses.
    """
    host = host.strip("[]").rstrip(".").lower()
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        names = [name for name in exceptions if isinstance(name, str)]
        return any(
            host.endswith(name) if name.startswith(".") else host == name
            for name in ("localhost", ".localhost", *names)
        )
    networks = [network for network in exceptions if not isinstance(network, str)]
    return ip.is_loopback or any(ip in network for network in networks)
