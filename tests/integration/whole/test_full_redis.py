"""A Redis that has no memory left makes a receiver pause, and nothing is lost or handled twice."""

from pathlib import Path
from uuid import uuid4

import pytest
import requests
from redis import Redis

from tests.integration.fake_odoo import FakeOdoo, wire
from tests.integration.noting_receiver import NotingReceiver
from tests.integration.own_redis import OwnRedis
from tests.support import eventually

LARGE = "x" * 20_000


@pytest.fixture
def redis(tmp_path):
    redis = OwnRedis(tmp_path / "redis", maxmemory_policy="noeviction")
    yield redis
    redis.stop()


@pytest.fixture
def receiver(redis: OwnRedis, odoo: FakeOdoo, tmp_path: Path):
    feed = odoo.feed(str(uuid4()))
    receiver = NotingReceiver(redis.url, feed, tmp_path, PULL_INTERVAL="1")
    receiver.feed = feed
    receiver.start()
    try:
        eventually(lambda: feed.called("pull"))
        yield receiver
        receiver.check()
    finally:
        receiver.stop()


def large(event_id: int):
    """An event of 20 kB, each of a record of its own."""
    return wire(event_id, record_id=event_id, model="test.large", payload={"comment": LARGE})


def limit(client, left: int) -> None:
    client.config_set("maxmemory", client.info("memory")["used_memory"] + left)


def test_more_events_than_redis_can_hold_are_handled_bit_by_bit(redis, receiver):
    client = Redis.from_url(redis.url)
    limit(client, left=4_000_000)
    for event_id in range(1, 401):  # 8 MB
        pushed = large(event_id)
        pushed["event_id"] = pushed.pop("id")
        eventually(lambda pushed=pushed: receiver.accepts(pushed))
    eventually(lambda: len(receiver.noted("end")) >= 400)
    assert sorted(receiver.noted("begin")) == list(range(1, 401))
    receiver.check()


def test_a_page_that_does_not_fit_is_asked_for_in_parts(redis, receiver):
    client = Redis.from_url(redis.url)
    limit(client, left=4_000_000)
    receiver.feed.events.extend(large(event_id) for event_id in range(1, 401))
    eventually(lambda: len(set(receiver.noted("end"))) == 400, timeout=60)
    assert sorted(receiver.noted("begin")) == list(range(1, 401))
    asked = [call["limit"] for call in receiver.feed.called("pull")]
    assert min(asked) < 400


def test_workers_that_run_and_workers_that_start_wait_until_a_full_redis_has_memory(
    redis, receiver
):
    client = Redis.from_url(redis.url)
    receiver.stop("worker")
    receiver.feed.events.extend(large(event_id) for event_id in range(1, 11))
    client.config_set("maxmemory", 1)  # from now on no message can be sent or taken
    receiver.launch("worker")
    eventually(receiver.children["worker"].logged("Redis is full, so the worker pauses"))
    ready = requests.get(f"{receiver.url}/health/ready", timeout=10)
    assert (ready.status_code, "Redis is full" in ready.text) == (503, True)
    receiver.check()
    client.config_set("maxmemory", 0)
    receiver.wait_until_ready("worker")
    eventually(lambda: sorted(receiver.noted("end")) == list(range(1, 11)), timeout=60)
    receiver.check()
