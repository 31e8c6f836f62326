"""The fastest there is on this machine today: a bare request to the endpoint."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

from benchmarks.push.sink import Sink

_REQUESTS = 300
#: about as long as an event
_BODY = b"{" + b" " * 900 + b"}"


def floor(endpoint: Sink) -> list[float]:
    """Milliseconds from before a request is sent to its arrival, over one open connection."""
    parts = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(parts.netloc)
    sent = []
    for _ in range(_REQUESTS):
        time.sleep(0.002)
        sent.append(time.monotonic_ns())
        connection.request("POST", parts.path, _BODY)
        connection.getresponse().read()
    connection.close()
    arrivals = endpoint.take()
    return [(a.nanoseconds - s) / 1e6 for a, s in zip(arrivals, sent, strict=True)]
