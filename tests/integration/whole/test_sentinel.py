"""Redis with Sentinel, which is state and broker: its master dies, a replica takes over."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from redis import Redis
from redis.exceptions import RedisError

from devstack.process import Child, free_port
from devstack.receiver import Receiver
from devstack.redis_server import _program
from tests.integration.fake_odoo import Feed
from tests.support import eventually

EVENTS, RECORDS = 150, 10
PASSWORD = "p/w:@;?"


class Servers:
    """A master, its replica, and one Sentinel that watches them."""

    def __init__(self, folder: Path) -> None:
        self.ports = [free_port() for _ in range(2)]
        self._sentinel_port = free_port()
        secrets = ["requirepass", PASSWORD, "masterauth", PASSWORD]
        self.children = [
            self._start(folder / "master", self.ports[0], *secrets),
            self._start(
                folder / "replica", self.ports[1], *secrets,
                "replicaof", f"127.0.0.1 {self.ports[0]}",
            ),
        ]  # fmt: skip
        eventually(self._has_replica)
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self._sentinel_port}\n"
            f"dir {folder}\n"
            f"sentinel monitor events 127.0.0.1 {self.ports[0]} 1\n"
            f'sentinel auth-pass events "{PASSWORD}"\n'
            "sentinel down-after-milliseconds events 500\n"
            "sentinel failover-timeout events 3000\n"
        )
        self.children.append(Child("sentinel", [_program(), config, "--sentinel"]))
        # It asks the master for replicas once when it starts, and then not for ten seconds.
        eventually(self._knows_replica)

    def _has_replica(self) -> bool:
        with contextlib.suppress(RedisError), self._client(self.ports[0]) as master:
            state = master.info("replication").get("slave0", {}).get("state")
            return bool(state == "online")
        return False

    def _knows_replica(self) -> bool:
        with contextlib.suppress(RedisError), Redis(port=self._sentinel_port) as sentinel:
            return bool(sentinel.sentinel_slaves("events"))
        return False

    @property
    def url(self) -> str:
        # The first Sentinel is away: the next one is asked.
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{self._sentinel_port}"
        return f"redis+sentinel://:{quote(PASSWORD, safe='')}@{hosts}/events/1"

    def replica_is_master(self) -> bool:
        with self._client(self.ports[1]) as replica:
            return bool(replica.role()[0] == "master")

    def kill_master(self) -> None:
        self.children[0].process.kill()

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop()

    @staticmethod
    def _client(port: int) -> Redis:
        return Redis(port=port, password=PASSWORD, decode_responses=True)

    @staticmethod
    def _start(folder: Path, port: int, *options: str) -> Child:
        folder.mkdir()
        whole = ["port", str(port), "bind", "127.0.0.1", "dir", str(folder), "save", "",
                 "repl-diskless-sync-delay", "0", *options]  # fmt: skip
        words = [f"--{word}" if n % 2 == 0 else word for n, word in enumerate(whole)]
        return Child(folder.name, [_program(), *words])


@pytest.fixture
def servers(tmp_path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def feed(odoo) -> Feed:
    return odoo.feed("failed-over")


def event(number: int) -> dict[str, object]:
    return {
        "id": number,
        "model": "test.model",
        "record_id": number % RECORDS + 1,
        "event": "write",
        "timestamp": f"2026-01-31T12:00:00.{number:06}Z",
        "priority": "high" if number % 3 == 0 else "low",
    }


@pytest.fixture
def receiver(servers, feed, tmp_path) -> Iterator[Receiver]:
    source = {"id": feed.source, "url": feed.url, "feed_key": feed.key, "push_tokens": ["token"]}
    settings = {
        "SOURCES": json.dumps([source]),
        "HANDLERS": "tests.integration.noting_handlers",
        "PULL_INTERVAL": "60",  # events arrive by push, until the feed heals what a failover lost
        "RECONCILE_INTERVAL": "4",
        "WAKE_INTERVAL": "0.5",
        "FEED_BACKOFF_MAX": "1",
        "LEASE": "1",
    }
    notes = tmp_path / "notes"
    notes.touch()
    made = Receiver(
        servers.url,
        {
            **{f"BRIDGECORE_{name}": value for name, value in settings.items()},
            "NOTES": str(notes),
        },
    )
    made.start()
    yield made
    made.stop()


def push(receiver: Receiver, body: object) -> bool:
    with contextlib.suppress(requests.RequestException):
        headers = {"X-API-Key": "token"}
        return requests.post(receiver.push_url, json=body, headers=headers, timeout=10).ok
    return False


def test_all_events_are_handled_although_the_master_dies(servers, receiver, feed, tmp_path):
    pushed: list[int] = []

    def push_all() -> None:
        for number in range(1, EVENTS + 1):
            feed.events.append(event(number))
            eventually(lambda number=number: push(receiver, event(number)))
            pushed.append(number)

    pushing = threading.Thread(target=push_all)
    pushing.start()
    eventually(lambda: len(pushed) > EVENTS / 3)
    servers.kill_master()
    pushing.join()
    everything = set(pushed)
    eventually(lambda: everything <= set(feed.processed))

    assert servers.replica_is_master()
    words = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    ended = [int(key.split("/")[1].split("@")[0]) for word, key, _ in words if word == "end"]
    first = list(dict.fromkeys(ended))  # in a failover the last effects may be forgotten
    assert set(first) == everything
    for record in range(RECORDS):
        of_record = [number for number in first if number % RECORDS == record]
        assert of_record == sorted(of_record)
    receiver.check()
