"""Servers between the receiver and Odoo: how calls pass them, and whose answer an error names."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from bridgecore.config.databases import Source, System
from bridgecore.errors import FeedRefused, FeedUnavailable, OdooRefused, OdooUnavailable
from bridgecore.odoo.api import OdooApi
from bridgecore.odoo.feed import OdooFeed

from devstack.process import free_port

PAGE = {"success": True, "events": [], "last_id": 0, "has_more": False, "count": 0}
NOT_ALLOWED = {"success": False, "error": {"code": "unauthorized", "message": "Send a key."}}
#: the page that nginx answers
HTML = "<html><head><title>401 Authorization Required</title></head></html>"
BASIC = "Basic " + base64.b64encode(b"staging:front-password").decode()


def respond(handler: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text.encode())


class Server:
    """An HTTP server that keeps the headers of its requests, and answers as `act` does."""

    def __init__(self, act: Callable[[BaseHTTPRequestHandler, bytes], None]) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version, sys_version = "nginx/1.24", ""

            def do_POST(self) -> None:
                server.headers.append(dict(self.headers))
                act(self, self.rfile.read(int(self.headers["Content-Length"])))

            def do_CONNECT(self) -> None:
                respond(self, 403, "")

            def log_message(self, *_arguments: object) -> None:
                """Stay quiet."""

        self.headers: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Serve = Callable[[Callable[[BaseHTTPRequestHandler, bytes], None]], Server]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(act: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Server:
        servers.append(Server(act))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def odoo(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    """Behave like the feed of an Odoo with the key `feed-key`, and like its external API."""
    bearer = handler.headers["Authorization"] == "Bearer feed-key"
    if "/json/2/" in handler.path:
        if bearer:
            respond(handler, 200, 3)
        else:
            respond(handler, 401, {"name": "werkzeug.exceptions.Unauthorized", "message": "No."})
    elif bearer or handler.headers["X-API-Key"] == "feed-key":
        respond(handler, 200, PAGE)
    else:
        respond(handler, 401, NOT_ALLOWED, WWW_Authenticate="Bearer")


def with_password(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Behave like an nginx with `auth_basic` in front of Odoo."""
    if handler.headers["Authorization"] == BASIC:
        odoo(handler, body)
    else:
        respond(handler, 401, HTML, WWW_Authenticate='Basic realm="Staging"')


def forward(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Behave like a forward proxy that lets everything pass."""
    target = urlsplit(handler.path)
    connection = HTTPConnection(target.netloc)
    connection.request("POST", target.path, body, dict(handler.headers))
    answer = connection.getresponse()
    respond(handler, answer.status, answer.read().decode())
    connection.close()


def failing(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    return lambda handler, _body: respond(handler, status, HTML, **headers)


def pull(url: str, **settings: Any) -> None:
    source = Source.model_validate({"id": "a", "url": url, "feed_key": "feed-key", **settings})
    OdooFeed(source, (1, 1)).pull(0, 1, include_processed=False)


def count(url: str, **settings: Any) -> Any:
    system = System.model_validate({"name": "a", "url": url, "api_key": "feed-key", **settings})
    return OdooApi(system, (1, 1)).call("res.partner", "search_count", domain=[])


def why_not(call: Callable[..., Any], kind: type[Exception], url: str, **settings: Any) -> str:
    with pytest.raises(kind) as error:
        call(url, **settings)
    assert "password" not in str(error.value).replace("asks for its own password", "").replace(
        "asks for a password: put user and password", ""
    )
    return str(error.value)


def test_a_password_of_a_proxy_in_front_of_odoo(serve: Serve) -> None:
    front = serve(with_password)
    pull(front.url, headers={"authorization": BASIC, "X-Tenant": "staging"})
    assert front.headers[-1]["X-API-Key"] == "feed-key"
    assert front.headers[-1]["X-Tenant"] == "staging"


def test_headers_of_ones_own_without_authorization(serve: Serve) -> None:
    server = serve(odoo)
    pull(server.url, headers={"CF-Access-Client-Id": "id"}, database="shop")
    assert count(server.url, headers={"CF-Access-Client-Id": "id"}) == 3
    for headers in server.headers:
        assert headers["Authorization"] == "Bearer feed-key"
        assert headers["CF-Access-Client-Id"] == "id"
        assert "X-API-Key" not in headers
    assert server.headers[0]["X-Odoo-Database"] == "shop"


def test_a_wrong_key_is_told_from_a_password_in_front(serve: Serve) -> None:
    direct, front = serve(odoo), serve(with_password)
    assert "check feed_key" in why_not(pull, FeedRefused, direct.url, feed_key="wrong")
    assert "check api_key" in why_not(count, OdooUnavailable, direct.url, api_key="wrong")
    own = {"headers": {"Authorization": BASIC}}
    assert "check feed_key" in why_not(pull, FeedRefused, front.url, feed_key="wrong", **own)

    said = why_not(pull, FeedUnavailable, front.url)
    assert said == (
        f"{front.url}/api/webhooks/pull answered 401, but this was not Odoo's feed: a proxy or web "
        "server in front of Odoo answered (Server: nginx/1.24) and asks for its own password "
        "(WWW-Authenticate: Basic): set `headers` of this source."
    )
    own = {"headers": {"Authorization": "Basic d3Jvbmc="}}
    said = why_not(pull, FeedUnavailable, front.url, **own)
    assert "does not accept the Authorization in `headers` of this source" in said
    assert "d3Jvbmc=" not in said
    said = why_not(count, OdooUnavailable, front.url)
    assert "answered 401, but this was not Odoo's external API" in said
    assert "set `headers` of this system" in said


@pytest.mark.parametrize(
    ("status", "server", "said"),
    [
        (403, "nginx", "in front of Odoo answered (Server: nginx) and refuses the call"),
        (502, "nginx", "in front of Odoo answered (Server: nginx): see the log there."),
        (503, "Werkzeug/3.0 Python/3.12", "another part of Odoo answered (Server: Werkzeug"),
    ],
)
def test_errors_of_others(serve: Serve, status: int, server: str, said: str) -> None:
    def act(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.version_string = lambda: server  # type: ignore[method-assign]
        respond(handler, status, HTML)

    front = serve(act)
    for call, kind in ((pull, FeedUnavailable), (count, OdooUnavailable)):
        found = why_not(call, kind, front.url)
        assert f"answered {status}, but this was not Odoo's" in found
        assert said in found


def test_the_environment_names_a_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server, proxy = serve(odoo), serve(forward)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    pull(server.url)
    assert len(proxy.headers) == 1
    pull(server.url, proxy="none")
    assert len(proxy.headers) == 1
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pull(server.url)
    assert len(proxy.headers) == 1
    pull(server.url, proxy=f"http://user:proxy-password@{proxy.address}")
    assert proxy.headers[-1]["Proxy-Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, 'refuses the call: let it pass there, or set `proxy` of this source to "none"'),
        (407, "asks for a password: put user and password into `proxy` of this source"),
        (503, 'see the log there, or set `proxy` of this source to "none"'),
    ],
)
def test_answers_of_a_proxy_of_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    proxy = serve(failing(status))
    monkeypatch.setenv("HTTP_PROXY", f"http://user:proxy-password@{proxy.address}")
    found = why_not(pull, FeedUnavailable, "http://odoo.invalid")
    assert f"answered {status} through the proxy {proxy.url}, but this was not Odoo's feed" in found
    assert said in found
    assert proxy.url in why_not(count, OdooUnavailable, "http://odoo.invalid")


def test_a_proxy_that_cannot_be_reached(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    away = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("http_proxy", f"http://user:proxy-password@{away}")
    found = why_not(pull, FeedUnavailable, "http://odoo.invalid")
    assert (
        f"cannot be reached through the proxy http://{away} (connection refused): check that proxy"
    ) in found
    assert "named by the environment" in found
    found = why_not(count, OdooUnavailable, "http://odoo.invalid", proxy=f"http://{away}")
    assert "or change `proxy` of this system" in found

    found = why_not(pull, FeedUnavailable, "https://odoo.invalid", proxy=serve(odoo).url)
    assert "through the proxy" in found
    assert "403" in found


def test_what_odoo_itself_refuses_is_no_matter_of_proxies(serve: Serve) -> None:
    body = {"name": "odoo.exceptions.AccessError", "message": "Not for you."}
    server = serve(lambda handler, _body: respond(handler, 403, body))
    assert why_not(count, OdooRefused, server.url) == "res.partner.search_count: Not for you."
