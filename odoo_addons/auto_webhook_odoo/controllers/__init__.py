"""The HTTP routes of the feed, ``/api/webhooks/…`` (docs/protocol.md).

In: requests with an API key, checked by ``models/ir_http.py``. Out: JSON, for errors too. A route
checks the parameters and calls a model; it holds no SQL and decides nothing about events.
"""

from . import devices, feed
