"""Reads the URL of a Redis, and gives redis-py and Celery what they need to connect to it.

| URL | the Redis |
| --- | --- |
| `redis://[user:password@]host[:port][/db]` | one server |
| `rediss://…` | the same over TLS |
| `unix://[user:password@]/path[?db=0]` | one server on this host, through its socket |
| `redis+sentinel://[user:password@]host[:port],…/name[/db]` | the master that the Sentinels name |
| `rediss+sentinel://…` | the same; master and Sentinels over TLS |

User and password are those of the server, or of the master. Options follow after a `?`:
`ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` name files for TLS; `sentinel_username` and
`sentinel_password` are the login at the Sentinels. All other options are refused, even if redis-py
knows them, because Celery would not understand them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from redis import Redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from bridgecore.config.timeouts import CONNECT_TIMEOUT, SOCKET_TIMEOUT

SERVER_SCHEMES = ("redis://", "rediss://", "unix://")
SENTINEL_SCHEMES = ("redis+sentinel://", "rediss+sentinel://")
SCHEMES = (*SERVER_SCHEMES, *SENTINEL_SCHEMES)

_PORT, _SENTINEL_PORT = 6379, 26379
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_OPTIONS = (*_TLS_FILES, "sentinel_username", "sentinel_password")
_SERVER_OPTIONS = {"redis": (), "rediss": (*_TLS_FILES, "ssl_cert_reqs"), "unix": ("db",)}


class _InvalidAddress(ValueError):  # noqa: N818  # as in `errors`
    """The URL is wrong. The text of this error shows no part of the URL, so users may see it."""


@dataclass(frozen=True, slots=True)
class CeleryRedis:
    """The address of a Redis in the form of Celery's settings, for the broker and for results."""

    url: str
    #: for `broker_transport_options` or `result_backend_transport_options`
    options: dict[str, Any] = field(default_factory=dict)
    #: TLS options that are not part of `url`; None if there are none
    tls: dict[str, Any] | None = None


class RedisServer:
    """One Redis server."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        given = _options(rest.partition("?")[2], _SERVER_OPTIONS[scheme])
        if scheme == "rediss" and "ssl_cert_reqs" not in given:
            # redis-py checks the certificate by default, Celery does not.
            url += ("&" if "?" in url else "?") + "ssl_cert_reqs=required"
        self._url = url
        self._options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]

    @property
    def location(self) -> str:
        """Host and port, or the path of the socket; without user and password."""
        options = self._options
        return str(
            options.get("path")
            or _host_and_port(options.get("host", "localhost"), options.get("port"))
        )

    def client(self, **options: Any) -> Redis:
        """Return a client for synchronous code; the options are redis-py's."""
        client: Redis = Redis.from_url(self._url, **{**_patience(Retry), **options})
        return client

    def async_client(self, **options: Any) -> aioredis.Redis:
        """Return a client for coroutines; the options are redis-py's."""
        options = {**_patience(AsyncRetry), **options}
        client: aioredis.Redis = aioredis.Redis.from_url(self._url, **options)
        return client

    def for_celery(self) -> CeleryRedis:
        """Return this address in the form of Celery's settings."""
        if "path" not in self._options:
            return CeleryRedis(self._url)
        login = _login(self._options.get("username"), self._options.get("password"))
        path, database = quote(self._options["path"]), self._options.get("db", 0)
        return CeleryRedis(f"redis+socket://{login}{path}?virtual_host={database}")


class RedisSentinels:
    """The current master of a name, as the Sentinels know it."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        login, _, hosts = authority.rpartition("@")
        username, _, password = login.partition(":")
        self._hosts = [_host(host) for host in hosts.split(",")]
        self._username, self._password = unquote(username), unquote(password)
        self._master, _, database = path.partition("/")
        if not self._master:
            raise _InvalidAddress("name the master after the hosts: …:26379/mymaster")
        self._database = int(database or 0)
        options = _options(query, _SENTINEL_OPTIONS)
        #: TLS options for the master and the Sentinels; empty if they do not use TLS
        self._tls: dict[str, Any] = {}
        if scheme == "rediss+sentinel":
            self._tls = {name: options[name] for name in _TLS_FILES if name in options}
            self._tls["ssl_cert_reqs"] = "required"
        self._to_sentinels = {
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": CONNECT_TIMEOUT,
            "username": options.get("sentinel_username"),
            "password": options.get("sentinel_password"),
            "ssl": bool(self._tls),
            **self._tls,
        }

    @property
    def location(self) -> str:
        """The master's name, and the hosts and ports of the Sentinels; without passwords."""
        return f"{self._master} of {', '.join(_host_and_port(*host) for host in self._hosts)}"

    def client(self, **options: Any) -> Redis:
        """Return a client that finds a new master by itself; the options are redis-py's."""
        # No retries: the client asks the next Sentinel instead of the same one again.
        to_sentinels = {**self._to_sentinels, "retry": Retry(NoBackoff(), 0)}
        sentinel: Any = Sentinel(self._hosts, sentinel_kwargs=to_sentinels)  # type: ignore[no-untyped-call]
        options = {**_patience(Retry), **self._to_master, **options}
        client: Redis = sentinel.master_for(self._master, Redis, **options)
        return client

    def async_client(self, **options: Any) -> aioredis.Redis:
        """Return a client for coroutines; the options are redis-py's."""
        to_sentinels = {**self._to_sentinels, "retry": AsyncRetry(NoBackoff(), 0)}
        sentinel: Any = AsyncSentinel(self._hosts, sentinel_kwargs=to_sentinels)  # type: ignore[no-untyped-call]
        options = {**_patience(AsyncRetry), **self._to_master, **options}
        client: aioredis.Redis = sentinel.master_for(self._master, aioredis.Redis, **options)
        return client

    def for_celery(self) -> CeleryRedis:
        """Return this address in the form of Celery's settings."""
        login = _login(self._username, self._password)
        urls = [
            f"sentinel://{login}{_host_and_port(*host)}/{self._database}" for host in self._hosts
        ]
        to_sentinels = {**self._to_sentinels, "retry": Retry(NoBackoff(), 0)}
        options = {"master_name": self._master, "sentinel_kwargs": to_sentinels}
        return CeleryRedis(";".join(urls), options, self._tls or None)

    @property
    def _to_master(self) -> dict[str, Any]:
        return {
            "db": self._database,
            "username": self._username or None,
            "password": self._password or None,
            "ssl": bool(self._tls),
            **self._tls,
        }


RedisAddress = RedisServer | RedisSentinels


def redis_address(url: str) -> RedisAddress:
    """Return the address that a URL names.

    Raises:
        ValueError: the URL cannot be read; the error does not show the URL, which may hold a
            password.
    """
    if not url.startswith(SCHEMES):
        raise ValueError(f"must start with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")
    kind = RedisSentinels if url.startswith(SENTINEL_SCHEMES) else RedisServer
    try:
        return kind(url)
    except _InvalidAddress:
        raise
    except ValueError:  # the library's text may show a part of a password
        raise ValueError("cannot be read; write / # ? @ in a password as %2F %23 %3F %40") from None


def embedded_socket(folder: Path) -> Path:
    """Return the socket of the Redis that `bridgecore serve` runs with its data in this folder."""
    return folder.resolve() / "redis.sock"


def embedded_url(folder: Path) -> str:
    """Return the URL of the Redis that `bridgecore serve` runs in this folder."""
    return f"unix://{quote(str(embedded_socket(folder)))}"


def _patience(retry: type[Retry] | type[AsyncRetry]) -> dict[str, Any]:
    """Return how long a client waits, and how often it tries, unless its caller says otherwise.

    The library's own values differ from version to version.
    """
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": SOCKET_TIMEOUT,
        "retry": retry(NoBackoff(), 1),  # at once: a new connection replaces a stale one
    }


def _options(query: str, known: tuple[str, ...]) -> dict[str, str]:
    options = dict(parse_qsl(query, strict_parsing=bool(query)))
    if not known and options:
        raise _InvalidAddress("this kind of URL takes no options after a ?")
    if set(options) - set(known):
        raise _InvalidAddress(f"the only options are {', '.join(known)}")
    return options


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise _InvalidAddress("a host is missing")
    return parts.hostname, parts.port or _SENTINEL_PORT


def _host_and_port(host: str, port: int | None) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port or _PORT}"


def _login(username: str | None, password: str | None) -> str:
    if not username and not password:
        return ""
    return f"{quote(username or '', safe='')}:{quote(password or '', safe='')}@"
