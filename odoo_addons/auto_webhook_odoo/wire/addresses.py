"""Which IP addresses a webhook may be sent to.

The networks are listed here because the answer of ``ipaddress.is_global`` differs between patch
releases of Python. An IPv6 address that contains an IPv4 address is also judged by the IPv4
address.
"""

import ipaddress


class AddressRefusedError(ValueError):
    """The addon does not connect to this address; the text names the address and the reason.

    It is no OSError, because urllib3 would take that for a broken connection.
    """


def check_address(address, allow_private):
    """Check an IP address, given as text.

    :raises AddressRefusedError: if nothing may be sent to this address
    """
    ip = ipaddress.ip_address(address.partition("%")[0])  # a zone may follow an IPv6 address
    addresses = [ip, *_embedded(ip)]
    if any(_within(one, _ALWAYS_REFUSED) for one in addresses):
        raise AddressRefusedError(
            f"{ip} is a link-local or metadata address. Webhooks are never sent to such addresses."
        )
    if not (allow_private or all(map(_is_public, addresses))):
        raise AddressRefusedError(
            f"{ip} is in a private network. If the endpoint is yours, switch on “Private "
            "Network” in the form of the subscriber."
        )


def _networks(text):
    return tuple(map(ipaddress.ip_network, text.split()))


_ALWAYS_REFUSED = _networks(
    # unspecified, link-local, multicast
    "0.0.0.0/32 169.254.0.0/16 224.0.0.0/4 ::/128 fe80::/10 ff00::/8 "
    # metadata services that are not link-local: Alibaba, Azure, Oracle, AWS (twice), Google
    "100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::23 fd00:ec2::254 fd20:ce::254"
)

#: The Internet: all of IPv4, the allocated part of IPv6, and two IPv6 forms of IPv4 addresses
#: (mapped, NAT64), which are public if the IPv4 address is ...
_PUBLIC = _networks("0.0.0.0/0 2000::/3 ::ffff:0:0/96 64:ff9b::/96")

#: ... except for these networks (the IANA's registries of special-purpose addresses).
_NOT_PUBLIC = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 "
    "2001::/23 2001:db8::/32 3fff::/20"
)


def _last(packed):
    return [packed[12:]]


def _local_nat64(packed):
    """Return the IPv4 addresses that a local NAT64 address may contain (RFC 6052, section 2.2).

    Only the network itself knows the length of its prefix. Octet 8 is not part of the address.
    """
    rest = packed[6:8] + packed[9:]
    return [v4 for v4 in (rest[:4], rest[1:5], rest[2:6], packed[12:]) if v4[0]]


#: IPv6 networks whose addresses contain IPv4 addresses, and where they contain them
_EMBEDDING = tuple(
    (ipaddress.ip_network(network), extract)
    for network, extract in (
        ("::/96", _last),  # IPv4-compatible
        ("::ffff:0:0/96", _last),  # IPv4-mapped
        ("::ffff:0:0:0/96", _last),  # IPv4-translated
        ("64:ff9b::/96", _last),  # NAT64
        ("64:ff9b:1::/48", _local_nat64),
        ("2002::/16", lambda packed: [packed[2:6]]),  # 6to4
        # Teredo: the server, and the client with all bits inverted
        ("2001::/32", lambda packed: [packed[4:8], bytes(255 - byte for byte in packed[12:])]),
    )
)


def _embedded(ip):
    for network, extract in _EMBEDDING:
        if ip in network:
            yield from map(ipaddress.IPv4Address, extract(ip.packed))


def _within(ip, networks):
    return any(ip in network for network in networks)


def _is_public(ip):
    return _within(ip, _PUBLIC) and not _within(ip, _NOT_PUBLIC)
