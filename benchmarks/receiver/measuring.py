"""The measurements."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import requests
from bridgecore.events import parse_event
from bridgecore.storage.claimed_events import Result
from bridgecore.storage.inbox import Submission

from benchmarks.receiver.events import SOURCE, event
from benchmarks.receiver.load import request
from benchmarks.receiver.noting import DONE
from benchmarks.receiver.results import Row, percentile
from benchmarks.receiver.stage import Stage

RECEIVE = "/api/v1/webhooks/receive"


def accepting(stage: Stage, rounds: int) -> Iterator[Row]:
    """Accepted requests beside those of the bare endpoint, in turns; of each the best round."""
    for title, path, size, events, least in (
        ("one event each", "/event", 1, 5000, 0.5),
        ("batches of 100", "/batch", 100, 20_000, None),
    ):
        ours, bare = 0.0, 0.0
        for _ in range(rounds):
            bare = max(bare, stage.load(stage.bare_port, path, events, size)["rate"])
            ours = max(ours, stage.load(stage.receiver.port, RECEIVE, events, size)["rate"])
            _forget_all(stage)
        yield Row(f"bare endpoint, {title}", bare, "requests/s")
        yield Row(f"accepted, {title}", ours, "requests/s")
        yield Row(f"accepted ÷ bare, {title}", ours / bare, "", at_least=least)


def handling(stage: Stage, events: int, rounds: int) -> Iterator[Row]:
    """From the first request to the end of the last handler."""
    together, backlog = 0.0, 0.0
    for _ in range(rounds):
        measured = stage.load(stage.receiver.port, RECEIVE, events, 100, connections=4)
        _until(lambda: not stage.waiting())
        together = max(together, events / (time.time() - measured["started"]))
        stage.receiver.stop("worker")
        stage.load(stage.receiver.port, RECEIVE, events, 100, connections=4)
        stage.receiver.start("worker")
        _until(lambda: stage.waiting() < events - 500)  # it has begun
        left, started = stage.waiting(), time.time()
        _until(lambda: not stage.waiting())
        backlog = max(backlog, left / (time.time() - started))
    yield Row("accepted and handled, at the same time", together, "events/s", at_least=5000)
    yield Row("handled, of a backlog", backlog, "events/s", at_least=5000)


def latency(stage: Stage, title: str, count: int = 200) -> Iterator[Row]:
    """From the answer to a push until its handler is done; nothing else happens."""
    session = requests.Session()
    redis = stage.parts.storage.redis
    times: list[float] = []
    for number in range(stage.numbers(count), stage.numbers(0)):
        accepted = _push(session, stage, number)
        key = str(number + 1)
        _until(lambda key=key: redis.hexists(DONE, key), pause=0.001)  # type: ignore[misc]
        times.append(1000 * (float(str(redis.hget(DONE, key))) - accepted))
    yield Row(f"accepted → handled, {title}, p50", percentile(times, 0.5), "ms", at_most=5)
    yield Row(f"accepted → handled, {title}, p95", percentile(times, 0.95), "ms")


def storing(stage: Stage, count: int) -> Iterator[Row]:
    """Memory of events that have been handled and confirmed, each of a record of its own."""
    before = _memory(stage)
    storage = stage.parts.storage
    first = stage.numbers(count)
    for start in range(first, first + count, 500):
        events = [
            parse_event({**event(number), "record_id": number + 10_000}, SOURCE)
            for number in range(start, min(start + 500, first + count))
        ]
        storage.inbox.accept([Submission(SOURCE, events, "push")])
        batch = storage.batches.claim(SOURCE, [event.record for event in events], 500).batch
        if len(batch.events) < len(events):
            raise RuntimeError("somebody else works on these events")
        storage.batches.settle(batch, [Result(event, "done", batch.now) for event in batch.events])
        _confirm(stage)
    per_event = (_memory(stage) - before) / count
    yield Row(f"memory of a stored event ({count:,} of 600 bytes)", per_event, "bytes")


def _confirm(stage: Stage) -> None:
    reports = stage.parts.storage.reports
    lease = stage.parts.storage.leases.acquire(SOURCE, "reports")
    if lease is not None:
        while reports.confirm(lease, reports.first(SOURCE, 500)):
            pass


def _push(session: requests.Session, stage: Stage, number: int) -> float:
    """Push one event; the time of the answer."""
    raw = request("/", json.dumps(event(number, "bench.idle")).encode())
    head, body = raw.split(b"\r\n\r\n", 1)
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[2:])
    session.post(stage.receiver.push_url, data=body, headers=headers, timeout=10).raise_for_status()
    return time.time()


def _memory(stage: Stage) -> int:
    return int(stage.parts.storage.redis.info("memory")["used_memory"])


def _forget_all(stage: Stage) -> None:
    """Empty the storage, as no worker runs that would."""
    stage.parts.storage.redis.flushdb()
    stage.parts.pulling.pull(SOURCE)  # pushes wait for the feed after a loss of data


def _until(condition: Callable[[], object], pause: float = 0.02, timeout: float = 600) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("nothing happens any more")
        time.sleep(pause)
