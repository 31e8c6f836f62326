"""Turns the broker's URL into Celery's settings. The broker is a Redis or RabbitMQ.

RabbitMQ: `amqp://user:password@host[:port][/vhost]`, or `amqps://…` over TLS. The options
`ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` may follow after a `?`. The nodes of a cluster are
separated by `;`. The module `redis_address` describes the URLs of a Redis.
"""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bridgecore.config.redis_address import SCHEMES, redis_address
from bridgecore.config.timeouts import CONNECT_TIMEOUT, SOCKET_TIMEOUT

AMQP_SCHEMES = ("amqp://", "amqps://")

#: Seconds after which Redis gives an unacknowledged message to another worker. Longer than the
#: longest retry delay, because a worker leaves a delayed message unacknowledged until it is due.
VISIBILITY_TIMEOUT = 3600

#: names of the TLS options: in our URLs (the same as for Redis), and in amqp
_TLS_FILES = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}

#: A sender tries to connect once more before it gets the error. Workers ignore this: they wait
#: for the broker without end.
_ONE_MORE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


def broker_settings(url: str) -> dict[str, Any]:
    """Return Celery's settings for the broker at this URL.

    Raises:
        ValueError: the URL cannot be read; the error does not show the URL, which may hold a
            password.
    """
    if url.startswith(AMQP_SCHEMES):
        return _rabbitmq_settings(url)
    if url.startswith(SCHEMES):
        return _redis_settings(url)
    known = (*SCHEMES, *AMQP_SCHEMES)
    raise ValueError(f"must start with {', '.join(known[:-1])} or {known[-1]}")


def broker_location(url: str) -> str:
    """Return the broker's hosts and ports, without user and password.

    The URL must be one that `broker_settings` accepts.
    """
    if url.startswith(SCHEMES):
        return redis_address(url).location
    return ", ".join(urlsplit(node).netloc.rpartition("@")[2] for node in url.split(";"))


def _redis_settings(url: str) -> dict[str, Any]:
    redis = redis_address(url).for_celery()
    options = {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "queue_order_strategy": "priority",  # a worker empties its queues in their order
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


def _rabbitmq_settings(url: str) -> dict[str, Any]:
    nodes = [_parse_node(node) for node in url.split(";")]
    tls = nodes[0][1]
    if any(other != tls for _, other in nodes):
        raise ValueError("all nodes must have the same TLS options, or none must have any")
    options = {
        "confirm_publish": True,  # a message counts as sent when RabbitMQ has confirmed it
        # py-amqp would wait without end for some answers, such as the one to closing a connection.
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


def _parse_node(url: str) -> tuple[str, dict[str, Any] | None]:
    """Return a node's URL without options, and its TLS options; None if it does not use TLS."""
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
            raise ValueError("TLS options need amqps://")
        return bare, None
    # Danger: without these two, py-amqp would check neither the certificate nor its host name.
    # None stands for the host name in the URL.
    checks = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    return bare, {**checks, **{_TLS_FILES[name]: value for name, value in given.items()}}
