"""The commands that start a role."""

import os
import sys

import pytest
from bridgecore.config.redis_address import redis_address
from bridgecore.queue.messages import FEED

from devstack.process import Child, free_port


@pytest.mark.parametrize("name", ["BRIDGECORE_REDIS_URL", "BRIDGECORE_BROKER_URL"])
def test_the_clock_waits_for_its_broker(redis_url, start_redis, name):
    port = free_port()
    environment = {
        **os.environ,
        "BRIDGECORE_REDIS_URL": redis_url,
        name: f"redis://:secret@127.0.0.1:{port}/0",
    }
    beat = Child("beat", [sys.executable, "-m", "bridgecore.cli", "beat"], environment=environment)
    try:
        beat.wait_until(beat.logged(f"waiting for 127.0.0.1:{port}: The broker"), timeout=60)
        assert beat.logged("(connection refused): check BRIDGECORE_BROKER_URL")()
        start_redis(port)
        queue = redis_address(environment[name]).client()
        beat.wait_until(lambda: queue.llen(f"bridgecore:broker:{FEED}") > 0, timeout=30)
        assert beat.tail(100).count("waiting for") == 1
        assert "secret" not in beat.tail(100)
    finally:
        beat.stop()
