"""A real HTTP server for the tests. It keeps the requests and gives the answers of the test."""

import contextlib
import http.server
import json
import threading
import time


class Sink:
    """Answers every POST with the next of ``answers``, then with 200.

    An answer is a status, or a tuple of status, headers and body. An event takes
    ``seconds_per_event``.

    :param judge: function of the events of a request that returns its answer, instead of
        ``answers``
    """

    def __init__(self, *answers, seconds_per_event=0, judge=None):
        self.requests = []  # (headers, body as bytes)
        self.judge = judge
        self._answers = list(answers)
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.requests.append((dict(self.headers), body))
                time.sleep(seconds_per_event * body.count(b'"event_id"'))
                if sink.judge:
                    answer = sink.judge(_events(body))
                else:
                    answer = sink._answers.pop(0) if sink._answers else 200
                status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, b"")
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def handle(self):  # pylint: disable=missing-return
                with contextlib.suppress(ConnectionError):  # the client has not waited
                    super().handle()

            def log_message(self, *args):
                """Keep the test output quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def events(self):
        """The events of all requests, in the order they came in, batches unpacked."""
        return [event for _headers, body in self.requests for event in _events(body)]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def _events(body):
    message = json.loads(body)
    return message.get("events", [message])
