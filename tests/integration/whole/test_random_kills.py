"""Processes are killed at random moments under load; at the end exactly all events are handled."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.integration.fake_odoo import Feed, wire
from tests.integration.noting_receiver import NotingReceiver
from tests.integration.order import in_order
from tests.integration.own_redis import OwnRedis
from tests.support import eventually

RECORDS, BATCH = 30, 3
#: KILLS=8 for a longer run
KILLS = int(os.environ.get("KILLS", "2"))
EVENTS = 120 * (KILLS + 1)


class Scene:
    """A receiver under load. What dies is started again, as a container engine does it."""

    def __init__(self, feed: Feed, folder: Path) -> None:
        self.redis = OwnRedis(
            folder / "redis",
            appendonly="yes",
            appendfsync="always",
            maxmemory_policy="noeviction",
        )
        self.feed = feed
        self.receiver = NotingReceiver(
            self.redis.url,
            feed,
            folder,
            PULL_INTERVAL="1",
            RECONCILE_INTERVAL="2",
            MAX_ATTEMPTS="100",
        )
        self.receiver.start()
        self.killed: Counter[str] = Counter()
        self.random = random.Random(7)  # noqa: S311
        self.pushed = 0

    def close(self) -> None:
        self.receiver.stop()
        self.redis.stop()

    def push_all(self) -> None:
        """Push every event until it is accepted, as Odoo does."""
        for start in range(0, EVENTS, BATCH):
            body = {"events": self.feed.events[start : start + BATCH]}
            eventually(lambda body=body: self.receiver.accepts(body), timeout=60)
            self.pushed += BATCH

    def restart_what_ended(self) -> None:
        for role, child in list(self.receiver.children.items()):
            if not child.alive():
                self.receiver.launch(role)

    def kill(self, what: str) -> None:
        """One process of this kind, if there is one at the moment."""
        pids = {"handler": self._handlers, "worker": self._masters, "api": self._api}[what]()
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(pids), signal.SIGKILL)
                self.killed[what] += 1

    def _workers(self) -> list[psutil.Process]:
        child = self.receiver.children["worker"]
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(child.process.pid).children()
        return []

    def _masters(self) -> list[int]:
        return [process.pid for process in self._workers()]

    def _handlers(self) -> list[int]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for process in self._workers() for child in process.children()]
        return []

    def _api(self) -> list[int]:
        return [self.receiver.children["api"].process.pid]

    def all_confirmed(self) -> bool:
        self.restart_what_ended()
        return {event["id"] for event in self.feed.events} <= set(self.feed.processed)

    def nothing_waits(self) -> bool:
        with contextlib.suppress(RedisError):
            redis = Redis.from_url(self.redis.url)
            start = f"bridgecore:{{{self.feed.source}}}"
            return not redis.zcard(f"{start}:queued") and not redis.zcard(f"{start}:reports")
        return False

    def handled(self) -> int:
        return len(set(self.receiver.noted("end")))


@pytest.fixture
def scene(request, odoo, tmp_path) -> Iterator[Scene]:
    feed = odoo.feed(f"killed-{request.node.name}".replace("[", "-").replace("]", ""))
    feed.events = [
        wire(
            number,
            number % RECORDS + 1,
            model="test.model",
            priority="high" if number % 3 == 0 else "low",
        )
        for number in range(1, EVENTS + 1)
    ]
    scene = Scene(feed, tmp_path)
    yield scene
    scene.close()


def under_load(scene: Scene, disturb: Callable[[], None], progress: Callable[[], int]) -> None:
    """Push everything, and disturb something whenever another part of it has made progress."""
    pushing = threading.Thread(target=scene.push_all)
    pushing.start()
    for kill in range(1, KILLS + 1):

        def far_enough(enough: float = kill * EVENTS / (KILLS + 1)) -> bool:
            scene.restart_what_ended()
            return progress() >= enough

        eventually(far_enough, timeout=120)
        time.sleep(scene.random.uniform(0, 0.02))  # at any moment
        disturb()
    # Pulls may have brought everything before the last push is accepted.
    eventually(
        lambda: scene.all_confirmed() and scene.nothing_waits() and not pushing.is_alive(),
        timeout=120,
    )


@pytest.mark.parametrize("what", ["handler", "worker", "api"])
def test_processes_that_are_killed(scene, what):
    progress = (lambda: scene.pushed) if what == "api" else scene.handled
    under_load(scene, lambda: scene.kill(what), progress)
    assert scene.killed[what] >= KILLS / 2
    ended = scene.receiver.noted("end")
    assert set(ended) == set(range(1, EVENTS + 1))
    assert in_order(ended, RECORDS)
    repeated = len(ended) - len(set(ended))
    if what == "api":
        assert repeated == 0
        assert len(scene.receiver.noted("begin")) == EVENTS
    else:
        # A process has one event in hand. If its handler came to its end, but the kill was faster
        # than its note, it ends twice. A worker that is killed has up to two processes.
        assert repeated <= scene.killed[what] * (1 if what == "handler" else 2)


def test_redis_that_is_killed_and_keeps_its_data(scene):
    def kill():
        scene.redis.kill()
        scene.redis.start()
        scene.killed["redis"] += 1

    under_load(scene, kill, scene.handled)
    ended = scene.receiver.noted("end")
    assert set(ended) == set(range(1, EVENTS + 1))
    assert in_order(ended, RECORDS)
    # Workers kept the results while Redis was away, until they could store them.
    assert len(ended) == len(scene.receiver.noted("begin")) == EVENTS


def test_redis_that_is_killed_and_loses_its_data(scene):
    """What Odoo does not know to be handled comes again from its feed, with the same keys."""

    def kill():
        scene.redis.kill(forget=True)
        scene.redis.start()
        scene.killed["redis"] += 1

    under_load(scene, kill, scene.handled)
    assert set(scene.receiver.noted("end")) == set(range(1, EVENTS + 1))
    keys = {line.split()[1] for line in scene.receiver.notes.read_text().splitlines()}
    assert len(keys) == EVENTS
