"""An endpoint of somebody else: accepts what is pushed to it, and sometimes misbehaves."""

from __future__ import annotations

import http.server
import json
import random
import threading
from typing import Any


class Endpoint:
    """Keeps the events that it has accepted, in the order in which they came in.

    :param trouble: share of the requests that are refused, or accepted without telling so
    """

    def __init__(self, trouble: float = 0.0, seed: int = 1) -> None:
        self.accepted: list[dict[str, Any]] = []
        #: requests so far, refused ones too
        self.requests = 0
        #: statuses of the next answers, instead of 200
        self.refusals: list[int] = []
        #: cleared: answers wait until it is set again
        self.answering = threading.Event()
        self.answering.set()
        self._lock = threading.Lock()
        chance = random.Random(seed)  # noqa: S311 - a reproducible misfortune
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint._lock:
                    endpoint.requests += 1
                    fate, status = chance.random(), 200
                    if endpoint.refusals:
                        status = endpoint.refusals.pop(0)
                    elif fate < trouble / 2:
                        status = chance.choice((500, 503))
                    else:
                        endpoint.accepted += message.get("events", [message])
                endpoint.answering.wait()
                if status != 200:
                    self.answer(status)
                elif fate < trouble:
                    self.close_connection = True  # nobody learns that it was accepted
                else:
                    self.answer(200)

            def answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the output of the tests quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def names(self) -> list[str]:
        """The names of the records whose events were accepted."""
        return [event["payload"]["name"] for event in self.accepted]

    def close(self) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
