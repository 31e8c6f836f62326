"""A worker is killed at every step that it makes: before and after each thing that it tells Redis.

A process of its own handles events and is killed with SIGKILL at its n-th step; then another one
takes over. At the end every event has been handled, in the order of its record, and told to Odoo.
At most the one event that was in hand is handled twice, with the same key: the one whose success
had not been sent.
"""

import os
import signal
from itertools import count

import pytest
from redis.connection import AbstractConnection

from tests.support import eventually

RECORDS = ("res.partner:1", "res.partner:2")
EVENTS = range(1, 7)  # odd ones of the first record, even ones of the second
EFFECTS = "effects"


@pytest.fixture(params=[1, 100], ids=["one at a time", "all together"])
def parts(request, make_parts, monkeypatch):
    monkeypatch.setattr("bridgecore.handling.pace.MAX_EVENTS", request.param)
    parts = make_parts(lease=0.2, max_attempts=20)
    parts.runner.pace.limit = request.param

    @parts.registry.on()
    def write_down(event):
        parts.storage.redis.rpush(parts.key(EFFECTS), event.event_id)

    @parts.registry.on()
    def write_down_too(event):
        parts.storage.redis.rpush(parts.key(f"{EFFECTS}-too"), event.event_id)

    return parts


def push(parts):
    parts.push(*(parts.event(n, record_id=2 - n % 2) for n in EVENTS))
    parts.messages.sent.clear()


def forget(parts):
    """Begin anew."""
    parts.storage.redis.delete(*parts.storage.redis.keys(parts.key("*")), "x")
    parts.odoo.processed.clear()


def killed_at(step: int, after: bool, work) -> bool:
    """Do the work in a process that kills itself; False if it came to its end before."""
    pid = os.fork()
    if pid == 0:
        send = AbstractConnection.send_packed_command
        steps = count(1)

        def send_and_die(self, *arguments, **options):
            now = next(steps) == step
            if now and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            send(self, *arguments, **options)
            if now:
                os.kill(os.getpid(), signal.SIGKILL)

        AbstractConnection.send_packed_command = send_and_die
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def effects(parts, name=EFFECTS):
    return [int(n) for n in parts.storage.redis.lrange(parts.key(name), 0, -1)]


def recover(parts):
    """What happens by itself: the lease ends, the records are found waiting, outcomes are told."""

    def all_handled():
        parts.runner.run(parts.source, RECORDS)
        return parts.storage.redis.zcard(parts.key("queued")) == 0

    eventually(all_handled)
    parts.messages.sent.clear()

    def all_told():
        parts.confirming.confirm(parts.source)
        return parts.storage.redis.zcard(parts.key("reports")) == 0

    eventually(all_told)


def check(parts):
    for name in (EFFECTS, f"{EFFECTS}-too"):
        found = effects(parts, name)
        assert set(found) == set(EVENTS)
        repeated = [n for n in found if found.count(n) > 1]
        assert len(repeated) <= 2, found  # one event, twice
        once = list(dict.fromkeys(found))
        for remainder in (0, 1):
            mine = [n for n in once if n % 2 == remainder]
            assert mine == sorted(mine)
    assert set(parts.odoo.processed) == set(EVENTS)
    assert parts.odoo.failed == {}
    assert set(parts.states().values()) == {"confirmed"}
    assert parts.storage.redis.keys(parts.key("lease:*")) == []
    assert parts.storage.redis.keys(parts.key("inbox:*")) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_handles(parts, after):
    steps = 0
    for step in count(1):
        forget(parts)
        push(parts)
        died = killed_at(step, after, lambda: parts.runner.run(parts.source, RECORDS))
        recover(parts)
        check(parts)
        if not died:
            break
        steps = step
    # claim, then for each event two effects, one success and one end, and the figures
    assert steps >= 1 + 4 * len(EVENTS)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_tells_odoo(parts, after):
    steps = 0
    for step in count(1):
        forget(parts)
        push(parts)
        parts.runner.run(parts.source, RECORDS)
        parts.messages.sent.clear()
        died = killed_at(step, after, lambda: parts.confirming.confirm(parts.source))
        recover(parts)
        check(parts)
        assert len(effects(parts)) == len(EVENTS)
        if not died:
            break
        steps = step
    assert steps >= 4  # the lease, the list, the outcomes, the confirmation


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_takes_in(parts, after):
    """Whoever pushes gets no answer, and pushes again."""
    steps = 0
    for step in count(1):
        forget(parts)
        died = killed_at(step, after, lambda: push(parts))
        push(parts)
        recover(parts)
        check(parts)
        assert len(effects(parts)) == len(EVENTS)
        if not died:
            break
        steps = step
    assert steps >= 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_pulls(parts, after):
    steps = 0
    for step in count(1):
        forget(parts)
        parts.odoo.events = [parts.wire(n, record_id=2 - n % 2) for n in EVENTS]
        died = killed_at(step, after, lambda: parts.pulling.pull(parts.source))
        eventually(lambda: parts.pulling.pull(parts.source, reconcile=True) is not None)
        parts.messages.sent.clear()
        recover(parts)
        check(parts)
        assert len(effects(parts)) == len(EVENTS)
        if not died:
            break
        steps = step
    assert steps >= 5  # the lease, the cursor, the time, the events, the cursor, …
