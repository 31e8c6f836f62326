"""Where the messages are: Celery's settings for a broker that is a Redis or RabbitMQ.

RabbitMQ: `amqp://user:password@host[:port][/vhost]`, or `amqps://…` over TLS, with the options
`ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` after a `?`. Several nodes of a cluster stand one
after the other, separated by `;`.
"""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bridgecore.config.redis_address import CONNECT_TIMEOUT, SCHEMES, SOCKET_TIMEOUT, redis_address

AMQP_SCHEMES = ("amqp://", "amqps://")

#: seconds after which Redis gives an unacknowledged message to another worker; longer than the
#: longest retry delay, because a delayed message is unacknowledged until it is due
VISIBILITY_TIMEOUT = 3600

#: what amqp calls the options that a Redis URL may have, too
_TLS_FILES = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}


#: until a sender is told that the broker is away; a worker waits for ever all the same
_ONE_MORE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


def broker_settings(url: str) -> dict[str, Any]:
    """Celery's settings.

    Raises:
        ValueError: the URL cannot be read; the text does not show it, because of its password.
    """
    if url.startswith(AMQP_SCHEMES):
        return _rabbitmq(url)
    if url.startswith(SCHEMES):
        return _redis(url)
    known = (*SCHEMES, *AMQP_SCHEMES)
    raise ValueError(f"must start with {', '.join(known[:-1])} or {known[-1]}")


def broker_at(url: str) -> str:
    """Hosts and ports of a broker whose URL can be read, without user and password."""
    if url.startswith(SCHEMES):
        return redis_address(url).where
    return ", ".join(urlsplit(node).netloc.rpartition("@")[2] for node in url.split(";"))


def _redis(url: str) -> dict[str, Any]:
    redis = redis_address(url).for_celery()
    options = {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "queue_order_strategy": "priority",  # a worker's queues in their order
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_keepalive": True,
        "global_keyprefix": "bridgecore:broker:",
        **_ONE_MORE_TRY,
        **redis.options,
    }
    return {
        "broker_url": redis.url,
        "broker_transport_options": options,
        "broker_use_ssl": redis.tls,
    }


def _rabbitmq(url: str) -> dict[str, Any]:
    nodes = [_node(node) for node in url.split(";")]
    tls = nodes[0][1]
    if any(other != tls for _, other in nodes):
        raise ValueError("all nodes must have the same options of TLS, or none of them")
    options = {
        "confirm_publish": True,  # a message counts as sent when RabbitMQ says so
        # For what py-amqp would wait without end, such as an answer to its leaving a node.
        "read_timeout": SOCKET_TIMEOUT,
        "write_timeout": SOCKET_TIMEOUT,
        **_ONE_MORE_TRY,
        "max_retries": len(nodes),
    }
    return {
        "broker_url": ";".join(node for node, _ in nodes),
        "broker_transport_options": options,
        "broker_use_ssl": tls,
    }


def _node(url: str) -> tuple[str, dict[str, Any] | None]:
    """Its URL without options, and those of TLS; None: no TLS."""
    bare, _, query = url.partition("?")
    if not bare.startswith(AMQP_SCHEMES):
        raise ValueError("each node must start with amqp:// or amqps://")
    try:
        parts = urlsplit(bare)
        complete = bool(parts.hostname) and parts.port != 0 and not parts.fragment
        given = dict(parse_qsl(query, strict_parsing=bool(query)))
    except ValueError:
        complete = False
    if not complete:
        raise ValueError("cannot be read; write / # ? @ ; in a password as %2F %23 %3F %40 %3B")
    if set(given) - set(_TLS_FILES):
        raise ValueError(f"the only options are {', '.join(_TLS_FILES)}")
    if not bare.startswith("amqps://"):
        if given:
            raise ValueError("options of TLS need amqps://")
        return bare, None
    # Without the first two neither the certificate nor whose it is would be checked.
    checks = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}  # None: the URL's host
    return bare, {**checks, **{_TLS_FILES[name]: value for name, value in given.items()}}
