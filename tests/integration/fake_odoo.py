"""An HTTP server with the feed of an Odoo, which misbehaves when a test wants it to."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: what a misbehaving server does instead of answering
Misbehaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Feed:
    """The feed of one source: its events, and what was called."""

    source: str
    url: str
    key: str = "feed-key"
    events: list[dict[str, Any]] = field(default_factory=list)
    processed: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: one per call, in order, before it behaves again
    misbehave: deque[Misbehaviour] = field(default_factory=deque)
    #: how far the receiver is behind; None: an older addon, without these figures
    stats: dict[str, Any] | None = None
    #: the place of the database; None: an older addon, which names none
    instance: str | None = None
    #: called during every pull
    while_pulling: Callable[[], object] = lambda: None

    def setting(self, *push_tokens: str) -> dict[str, Any]:
        """Return this source as an entry of BRIDGECORE_SOURCES."""
        tokens = push_tokens or ["token"]
        return {"id": self.source, "url": self.url, "feed_key": self.key, "push_tokens": tokens}

    def called(self, route: str) -> list[dict[str, Any]]:
        return [body for called, body in self.calls if called == route]

    def pull(self, body: dict[str, Any]) -> dict[str, Any]:
        self.while_pulling()
        cursor, limit = body["last_event_id"], body["limit"]
        known = {*self.processed, *self.failed} if not body["include_processed"] else set()
        found = [e for e in self.events if e["id"] > cursor and e["id"] not in known]
        page = found[:limit]
        return {
            "success": True,
            "events": page,
            "last_id": page[-1]["id"] if page else cursor,
            "has_more": len(found) > limit,
            "count": len(page),
            "source": self.source,
            **({"instance": self.instance} if self.instance else {}),
        }

    def offer_again(self, event_id: int) -> None:
        """What a user's click on the button of a failed event does."""
        del self.failed[event_id]

    def mark_processed(self, body: dict[str, Any]) -> dict[str, Any]:
        self.processed += body["event_ids"]
        for event_id in body["event_ids"]:
            self.failed.pop(event_id, None)
        self.failed |= {
            item["id"]: item["error"] for item in body["failed"] if item["id"] not in self.processed
        }
        return {"success": True, "processed_count": len(body["event_ids"]), "unknown": []}


def wire(event_id: int, record_id: int = 1, **facts: Any) -> dict[str, Any]:
    """Return an event as the feed has it."""
    return {
        "id": event_id,
        "model": "res.partner",
        "record_id": record_id,
        "event": "write",
        "timestamp": f"2026-01-31T12:00:00.{event_id:06}Z",
        "payload": {"name": f"Partner {event_id}"},
        **facts,
    }


#: the body of the feed's errors
ERROR = json.dumps({"success": False, "error": {"code": "some_code", "message": "Not now."}})


def answer(status: int, text: str | None = None, **headers: str) -> Misbehaviour:
    """An answer that a well-behaved feed would not give. By default it is an error of the feed."""
    text = text if text is not None else ERROR if status >= 400 else "{}"

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return send


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


class FakeOdoo:
    """One server for the feeds of many sources; a source's address ends with its id."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._address = f"http://127.0.0.1:{server.server_port}"
        self.feeds: dict[str, Feed] = {}

    def url(self, source: str) -> str:
        return f"{self._address}/{source}"

    def feed(self, source: str) -> Feed:
        return self.feeds.setdefault(source, Feed(source, self.url(source)))


@contextmanager
def fake_odoo() -> Iterator[FakeOdoo]:
    """Serve while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            source, _, route = self.path.strip("/").partition("/api/webhooks/")
            feed = odoo.feed(source)
            feed.calls.append((route, body))
            feed.headers.append(dict(self.headers))
            if feed.misbehave:
                return feed.misbehave.popleft()(self)
            if self.headers["Authorization"] != f"Bearer {feed.key}":
                return answer(401)(self)
            routes = {"pull": feed.pull, "mark-processed": feed.mark_processed}
            return answer(200, json.dumps(routes[route](body)))(self)

        def do_GET(self) -> None:
            source = self.path.strip("/").partition("/api/webhooks/stats")[0]
            stats = odoo.feed(source).stats
            return answer(404 if stats is None else 200, json.dumps(stats))(self)

        def log_message(self, *_arguments: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        odoo = FakeOdoo(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield odoo
        server.shutdown()
        thread.join()
