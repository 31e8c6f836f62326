"""The handlers that the receiver's worker runs in the end-to-end tests."""

import os
from functools import cache

from bridgecore import Event, on
from redis import Redis

#: list of idempotency keys, one entry for every time that a handler ran
EFFECTS = "test:effects"
#: while this key exists, handlers fail
FAILING = "test:failing"


@cache
def _redis() -> Redis:
    return Redis.from_url(os.environ["BRIDGECORE_REDIS_URL"])


@on("sale.order")
@on("res.partner")
def note_effect(event: Event) -> None:
    if _redis().exists(FAILING):
        raise RuntimeError("The test wants this handler to fail.")
    _redis().rpush(EFFECTS, event.idempotency_key)
