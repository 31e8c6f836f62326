"""A worker is killed at every step: before and after each message that it sends to Redis.

A process of its own handles events and is killed with SIGKILL at its n-th step; then another
process takes over. At the end every event has been handled, in the order of its record, and is
confirmed. At most one event is handled twice, with the same key: the event in hand, whose success
had not been sent.
"""

import os
import signal
from itertools import count

import pytest
from redis.connection import AbstractConnection

from tests.integration.batching import in_a_child
from tests.integration.order import in_order
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
    """Delete all that Redis and Odoo know."""
    parts.storage.redis.delete(*parts.storage.redis.keys(parts.key("*")), "x")
    parts.odoo.processed.clear()
    parts.read_feed()


def killed_at(step: int, after: bool, work) -> bool:
    """Do the work in a process that kills itself; return False if the work ended before."""
    send = AbstractConnection.send_packed_command
    steps = count(1)

    def send_and_die(self, *arguments, **options):
        now = next(steps) == step
        if now and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        send(self, *arguments, **options)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)

    def work_until_then():
        AbstractConnection.send_packed_command = send_and_die
        work()

    return os.WIFSIGNALED(in_a_child(work_until_then))


def effects(parts, name=EFFECTS):
    return [int(n) for n in parts.storage.redis.lrange(parts.key(name), 0, -1)]


def recover(parts):
    """Do what happens by itself: leases end, waiting records are found, results are confirmed."""

    def all_handled():
        parts.runner.run(parts.source, RECORDS)
        return parts.storage.redis.zcard(parts.key("queued")) == 0

    eventually(all_handled)
    parts.messages.sent.clear()

    def all_confirmed():
        parts.confirming.confirm(parts.source)
        return parts.storage.redis.zcard(parts.key("reports")) == 0

    eventually(all_confirmed)


def check(parts, repeated):
    for name in (EFFECTS, f"{EFFECTS}-too"):
        found = effects(parts, name)
        assert set(found) == set(EVENTS)
        assert len(found) <= len(EVENTS) + repeated, found
        assert in_order(found, len(RECORDS))
    assert set(parts.odoo.processed) == set(EVENTS)
    assert parts.odoo.failed == {}
    assert set(parts.states().values()) == {"confirmed"}
    assert parts.storage.redis.keys(parts.key("lease:*")) == []
    assert parts.storage.redis.keys(parts.key("inbox:*")) == []


def killed_at_every_step(parts, after, prepare, work, again=lambda: None, repeated=0) -> int:
    """Kill the work at its first step, then at its second, and so on, until it ends by itself.

    Parameters:
        prepare: is called before the work, which is killed.
        again: what is done again after the kill, besides what happens by itself.
        repeated: how many calls of a handler may be repetitions.

    Returns the number of steps.
    """
    step, died = 0, True
    while died:
        step += 1
        forget(parts)
        prepare()
        died = killed_at(step, after, work)
        again()
        recover(parts)
        check(parts, repeated)
    return step - 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_handles(parts, after):
    steps = killed_at_every_step(
        parts,
        after,
        prepare=lambda: push(parts),
        work=lambda: parts.runner.run(parts.source, RECORDS),
        repeated=1,
    )
    # claim, then for each event two effects, one success and one result, and the figures
    assert steps >= 1 + 4 * len(EVENTS)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_confirms(parts, after):
    def handle():
        push(parts)
        parts.runner.run(parts.source, RECORDS)
        parts.messages.sent.clear()

    steps = killed_at_every_step(
        parts, after, prepare=handle, work=lambda: parts.confirming.confirm(parts.source)
    )
    assert steps >= 4  # the lease, the list, the reports, the confirmation


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_accepts(parts, after):
    """The sender gets no answer, and pushes again."""
    steps = killed_at_every_step(
        parts,
        after,
        prepare=lambda: None,
        work=lambda: push(parts),
        again=lambda: push(parts),
    )
    assert steps >= 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_while_it_pulls(parts, after):
    def offer():
        parts.odoo.events = [parts.wire(n, record_id=2 - n % 2) for n in EVENTS]

    def pull_again():
        eventually(lambda: parts.pulling.pull(parts.source, reconcile=True) is not None)
        parts.messages.sent.clear()

    steps = killed_at_every_step(
        parts,
        after,
        prepare=offer,
        work=lambda: parts.pulling.pull(parts.source),
        again=pull_again,
    )
    assert steps >= 5  # the lease, the cursor, the time, the events, the cursor, …
