"""Where a Redis is: its URL, and what redis-py and Celery have to be told of it.

| URL | what it names |
| --- | --- |
| `redis://[user:password@]host[:port][/db]` | one server |
| `rediss://…` | the same over TLS |
| `unix://[user:password@]/path[?db=0]` | one server of this host |
| `redis+sentinel://[user:password@]host[:port],…/name[/db]` | the master that Sentinels name |
| `rediss+sentinel://…` | the same, master and Sentinels over TLS |

User and password are the server's. Options come after a `?`: `ssl_ca_certs`, `ssl_certfile` and
`ssl_keyfile` name files for TLS, `sentinel_username` and `sentinel_password` log in to Sentinels.
Options that Celery would not understand are refused, whatever redis-py makes of them.
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

#: seconds; a sender waits for the answer, so a broken Redis must be noticed soon
CONNECT_TIMEOUT, SOCKET_TIMEOUT = 1, 5

SERVER_SCHEMES = ("redis://", "rediss://", "unix://")
SENTINEL_SCHEMES = ("redis+sentinel://", "rediss+sentinel://")
SCHEMES = (*SERVER_SCHEMES, *SENTINEL_SCHEMES)

_PORT, _SENTINEL_PORT = 6379, 26379
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_OPTIONS = (*_TLS_FILES, "sentinel_username", "sentinel_password")
_SERVER_OPTIONS = {"redis": (), "rediss": (*_TLS_FILES, "ssl_cert_reqs"), "unix": ("db",)}


class _NotAnAddress(ValueError):  # noqa: N818  # as in `errors`
    """Its text may be shown."""


@dataclass(frozen=True, slots=True)
class ForCelery:
    """The same address as Celery's settings: for the broker, and for results."""

    url: str
    #: transport options
    options: dict[str, Any] = field(default_factory=dict)
    #: options of TLS that the URL does not have
    tls: dict[str, Any] | None = None


class RedisServer:
    """One server."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        given = _options(rest.partition("?")[2], _SERVER_OPTIONS[scheme])
        if scheme == "rediss" and "ssl_cert_reqs" not in given:
            # redis-py would check the certificate, Celery would not without being told to.
            url += ("&" if "?" in url else "?") + "ssl_cert_reqs=required"
        self._url = url
        self._options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]

    @property
    def where(self) -> str:
        """Host and port, or its socket."""
        options = self._options
        return str(
            options.get("path") or _pair(options.get("host", "localhost"), options.get("port"))
        )

    def client(self, **options: Any) -> Redis:
        """A client; options as redis-py's."""
        client: Redis = Redis.from_url(self._url, **options)
        return client

    def async_client(self, **options: Any) -> aioredis.Redis:
        """A client for coroutines."""
        client: aioredis.Redis = aioredis.Redis.from_url(self._url, **options)
        return client

    def for_celery(self) -> ForCelery:
        """What Celery has to be told."""
        if "path" not in self._options:
            return ForCelery(self._url)
        login = _login(self._options.get("username"), self._options.get("password"))
        path, database = quote(self._options["path"]), self._options.get("db", 0)
        return ForCelery(f"redis+socket://{login}{path}?virtual_host={database}")


class RedisSentinels:
    """The master that Sentinels name, whichever server that is at the moment."""

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
            raise _NotAnAddress("name the master after the hosts: …:26379/mymaster")
        self._database = int(database or 0)
        options = _options(query, _SENTINEL_OPTIONS)
        #: the same for the master and for the Sentinels; empty: no TLS
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
    def where(self) -> str:
        """The master's name, hosts and ports of the Sentinels."""
        return f"{self._master} of {', '.join(_pair(*host) for host in self._hosts)}"

    def client(self, **options: Any) -> Redis:
        """A client that finds the new master by itself; options as redis-py's."""
        # Another Sentinel is asked instead of the same one again.
        to_sentinels = {**self._to_sentinels, "retry": Retry(NoBackoff(), 0)}
        sentinel: Any = Sentinel(self._hosts, sentinel_kwargs=to_sentinels)  # type: ignore[no-untyped-call]
        client: Redis = sentinel.master_for(self._master, Redis, **self._to_master, **options)
        return client

    def async_client(self, **options: Any) -> aioredis.Redis:
        """A client for coroutines."""
        to_sentinels = {**self._to_sentinels, "retry": AsyncRetry(NoBackoff(), 0)}
        sentinel: Any = AsyncSentinel(self._hosts, sentinel_kwargs=to_sentinels)  # type: ignore[no-untyped-call]
        client: aioredis.Redis = sentinel.master_for(
            self._master, aioredis.Redis, **self._to_master, **options
        )
        return client

    def for_celery(self) -> ForCelery:
        """What Celery has to be told."""
        login = _login(self._username, self._password)
        urls = [f"sentinel://{login}{_pair(*host)}/{self._database}" for host in self._hosts]
        to_sentinels = {**self._to_sentinels, "retry": Retry(NoBackoff(), 0)}
        options = {"master_name": self._master, "sentinel_kwargs": to_sentinels}
        return ForCelery(";".join(urls), options, self._tls or None)

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
    """The address that a URL names.

    Raises:
        ValueError: it cannot be read; the text does not show it, because of its password.
    """
    if not url.startswith(SCHEMES):
        raise ValueError(f"must start with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")
    kind = RedisSentinels if url.startswith(SENTINEL_SCHEMES) else RedisServer
    try:
        return kind(url)
    except _NotAnAddress:
        raise
    except ValueError:  # its text may show a part of a password
        raise ValueError("cannot be read; write / # ? @ in a password as %2F %23 %3F %40") from None


def embedded_socket(folder: Path) -> Path:
    """Where the server of `bridgecore serve` listens whose data are in this folder."""
    return folder.resolve() / "redis.sock"


def embedded_url(folder: Path) -> str:
    """The URL of that server."""
    return f"unix://{quote(str(embedded_socket(folder)))}"


def _options(query: str, known: tuple[str, ...]) -> dict[str, str]:
    options = dict(parse_qsl(query, strict_parsing=bool(query)))
    if not known and options:
        raise _NotAnAddress("this kind takes no options after a ?")
    if set(options) - set(known):
        raise _NotAnAddress(f"the only options are {', '.join(known)}")
    return options


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise _NotAnAddress("a host is missing")
    return parts.hostname, parts.port or _SENTINEL_PORT


def _pair(host: str, port: int | None) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port or _PORT}"


def _login(username: str | None, password: str | None) -> str:
    if not username and not password:
        return ""
    return f"{quote(username or '', safe='')}:{quote(password or '', safe='')}@"
