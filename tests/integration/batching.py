"""Batches, and what Redis keeps of their events, as tests look at them."""

import json
import os

from bridgecore.storage.claimed_events import Batch, Result


def in_a_child(work):
    """Do the work in a process that may kill itself; return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def records(*numbers):
    """Return the names of these contacts."""
    return [f"res.partner:{number}" for number in numbers]


def memory(parts, number, record_id=1):
    """Return what Redis keeps of an event besides its content."""
    return parts.storage.redis.hgetall(parts.key(f"event:{parts.event(number, record_id).key}"))


def latest(parts, record_id=1):
    """Return the latest values of a record, or None if nothing is known of it."""
    (record,) = records(record_id)
    known = parts.storage.latest.read(parts.source, [record])
    return json.loads(known[record].fields) if known else None


def batches_of(parts, monkeypatch):
    """Return a list that gets the event ids of each batch when it is settled."""
    seen = []
    settle = parts.storage.batches.settle

    def watch(batch, results, *then):
        seen.append([result.claimed.event.event_id for result in results])
        return settle(batch, results, *then)

    monkeypatch.setattr(parts.storage.batches, "settle", watch)
    return seen


def claim(parts, limit: int = 1) -> Batch:
    """Claim events of the first record."""
    return parts.storage.batches.claim(parts.source, ["res.partner:1"], limit).batch


def settle(parts, batch, outcome="done", **then):
    """Settle a batch with the same result for all its events."""
    results = [Result(claimed, outcome, batch.now) for claimed in batch.events]
    return parts.storage.batches.settle(batch, results, **then)
