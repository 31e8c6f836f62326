"""Where handlers leave what the benchmark reads."""

import os
from functools import cache

from redis import Redis

#: hash: event id → moment
DONE = "benchmark:done"


@cache
def connection() -> Redis:
    return Redis.from_url(os.environ["BRIDGECORE_REDIS_URL"], decode_responses=True)
