"""How long the receiver waits for its servers: Redis, Sentinels, the broker and Odoo. In seconds.

Every client gets its timeouts from here, none from its library: redis-py waited without end until
version 7 and waits for 5 seconds since version 8, requests waits without end.

The API's limits for those who call it are in `api.limits`.
"""

CONNECT_TIMEOUT = 1
"""To connect to Redis, a Sentinel or the broker; also for a Sentinel's answer.

Short, because the sender of a push waits meanwhile, and because a client asks several Sentinels one
after the other. All of them are near: one that needs longer is as good as away.
"""

SOCKET_TIMEOUT = 5
"""For the answer to one command of Redis, and for RabbitMQ's confirmation of a message.

Longer than Redis needs for its largest batch, shorter than a sender of a push waits (Odoo: 10).
"""

HEARTBEAT = 10
"""After which a reader of the live stream without a new event gets a sign of life.

Redis holds the command of such a reader for so long (`XREAD BLOCK`). Shorter than the 30 to 60
seconds after which proxies end a connection without traffic.
"""

STREAM_TIMEOUT = HEARTBEAT + SOCKET_TIMEOUT
"""For the answer to a command that Redis may hold for `HEARTBEAT`. It must be longer than that:
otherwise the client would take a quiet Redis for one that is away."""

RESULT_TIMEOUT = SOCKET_TIMEOUT
"""For the answer to one command of Celery's result backend, which is a Redis. Only `sync_data` has
results."""

ODOO_TIMEOUTS = (5.0, 30.0)
"""To connect to an Odoo, and between two pieces of its answer. BRIDGECORE_FEED_TIMEOUT replaces
them. Odoo may be far away, and may need seconds for a page of the feed."""
