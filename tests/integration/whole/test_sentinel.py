"""Redis with Sentinel, which is state and broker: its master dies, a replica takes over."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from redis import Redis
from redis.exceptions import RedisError

from devstack.process import free_port
from tests.integration.fake_odoo import Feed, wire
from tests.integration.noting_receiver import NotingReceiver
from tests.integration.order import in_order
from tests.integration.own_redis import OwnRedis, sentinel
from tests.support import eventually

EVENTS, RECORDS = 150, 10
PASSWORD = "p/w:@;?"


class Servers:
    """A master, its replica, and one Sentinel that watches them."""

    def __init__(self, folder: Path) -> None:
        self._sentinel_port = free_port()
        options = {
            "requirepass": PASSWORD,
            "masterauth": PASSWORD,
            "repl_diskless_sync_delay": "0",
        }
        self.master = OwnRedis(folder / "master", **options)
        self.replica = OwnRedis(
            folder / "replica", replicaof=f"127.0.0.1 {self.master.port}", **options
        )
        eventually(self._has_replica)
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self._sentinel_port}\n"
            f"dir {folder}\n"
            f"sentinel monitor events 127.0.0.1 {self.master.port} 1\n"
            f'sentinel auth-pass events "{PASSWORD}"\n'
            "sentinel down-after-milliseconds events 500\n"
            "sentinel failover-timeout events 3000\n"
        )
        self.sentinel = sentinel(config)
        # It asks the master for replicas once when it starts, and then not for ten seconds.
        eventually(self._knows_replica)

    def _has_replica(self) -> bool:
        with contextlib.suppress(RedisError), self._client(self.master.port) as master:
            state = master.info("replication").get("slave0", {}).get("state")
            return bool(state == "online")
        return False

    def _knows_replica(self) -> bool:
        with contextlib.suppress(RedisError), Redis(port=self._sentinel_port) as redis:
            return bool(redis.sentinel_slaves("events"))
        return False

    @property
    def url(self) -> str:
        # The first Sentinel is away: the next one is asked.
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{self._sentinel_port}"
        return f"redis+sentinel://:{quote(PASSWORD, safe='')}@{hosts}/events/1"

    def replica_is_master(self) -> bool:
        with self._client(self.replica.port) as replica:
            return bool(replica.role()[0] == "master")

    def kill_master(self) -> None:
        self.master.kill()

    def stop(self) -> None:
        for each in (self.sentinel, self.replica, self.master):
            each.stop()

    @staticmethod
    def _client(port: int) -> Redis:
        return Redis(port=port, password=PASSWORD, decode_responses=True)


@pytest.fixture
def servers(tmp_path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def feed(odoo) -> Feed:
    return odoo.feed("failed-over")


def event(number: int) -> dict[str, object]:
    priority = "high" if number % 3 == 0 else "low"
    return wire(number, number % RECORDS + 1, model="test.model", priority=priority)


@pytest.fixture
def receiver(servers, feed, tmp_path) -> Iterator[NotingReceiver]:
    made = NotingReceiver(
        servers.url,
        feed,
        tmp_path,
        PULL_INTERVAL="60",  # events arrive by push, until the feed heals what a failover lost
        RECONCILE_INTERVAL="4",
    )
    made.start()
    yield made
    made.stop()


def test_all_events_are_handled_although_the_master_dies(servers, receiver, feed):
    pushed: list[int] = []

    def push_all() -> None:
        for number in range(1, EVENTS + 1):
            feed.events.append(event(number))
            eventually(lambda number=number: receiver.accepts(event(number)))
            pushed.append(number)

    pushing = threading.Thread(target=push_all)
    pushing.start()
    eventually(lambda: len(pushed) > EVENTS / 3)
    servers.kill_master()
    pushing.join()
    everything = set(pushed)
    eventually(lambda: everything <= set(feed.processed))

    assert servers.replica_is_master()
    ended = receiver.noted("end")
    assert set(ended) == everything
    assert in_order(ended, RECORDS)  # a failover may lose the last results, and handlers run again
    receiver.check()
