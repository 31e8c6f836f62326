"""Handlers of the receivers that tests start; the payload says how they behave.

They write every call and every success down in Redis, where a test finds it.
"""

import asyncio
import os
import signal

from bridgecore import Event, on
from redis import Redis

redis = Redis.from_url(os.environ["BRIDGECORE_REDIS_URL"], decode_responses=True)


@on("test.*")
def behave(event: Event) -> None:
    calls = redis.incr(f"calls:{event.idempotency_key}")
    if calls <= event.payload.get("fail", 0):
        raise LookupError(f"call {calls}")
    if calls <= event.payload.get("kill", 0):
        os.kill(os.getpid(), signal.SIGKILL)


@on("test.*")
async def write_down(event: Event) -> None:
    await asyncio.sleep(0)
    redis.rpush(f"effects:{event.source}", event.event_id)
