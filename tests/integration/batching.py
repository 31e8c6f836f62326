"""Batches, as tests look at them."""

import json
import os

from bridgecore.storage.claimed_events import Batch, Result


def in_a_child(work):
    """Do it in a process that may kill itself."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def records(*numbers):
    return [f"res.partner:{number}" for number in numbers]


def memory(parts, number, record_id=1):
    return parts.storage.redis.hgetall(parts.key(f"event:{parts.event(number, record_id).key}"))


def latest(parts, record_id=1):
    """The latest values of a record; None: nothing is known of it."""
    (record,) = records(record_id)
    known = parts.storage.latest.read(parts.source, [record])
    return json.loads(known[record].fields) if known else None


def batches_of(parts, monkeypatch):
    """The ids of the events of each batch, as they are settled."""
    seen = []
    settle = parts.storage.batches.settle

    def watch(batch, results, *next_batch):
        seen.append([result.claimed.event.event_id for result in results])
        return settle(batch, results, *next_batch)

    monkeypatch.setattr(parts.storage.batches, "settle", watch)
    return seen


def claim(parts, limit: int = 1) -> Batch:
    """Events of the first record."""
    return parts.storage.batches.claim(parts.source, ["res.partner:1"], limit).batch


def settle(parts, batch, outcome="done", **next_batch):
    results = [Result(claimed, outcome, batch.now) for claimed in batch.events]
    return parts.storage.batches.settle(batch, results, **next_batch)
