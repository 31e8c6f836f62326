"""What is promised, and whether the results keep it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.push.measuring import BURST
from benchmarks.push.results import Results
from benchmarks.push.variants import AUTOMATION, ERPDOO, OWN, QUEUE_JOB, Variant
from benchmarks.reporting import Verdict

#: Milliseconds from commit to arrival, while nothing else goes on
IDLE_P50 = 2.2
IDLE_P99 = 50.0
#: … and while both cron workers are busy
BUSY_P99 = 150.0
#: Events a second through a backlog
BACKLOG = 5000
#: How many times as long a burst may take beside an event that the endpoint refuses
BAD = 2
#: How many times as long a claim may take with many deliveries waiting as with few
CLAIM = 1.5
#: How many times as many events a second as Odoo's own webhook and as queue_job
TIMES = 20


def verdicts(results: Results, variants: Sequence[Variant]) -> Iterator[Verdict]:
    """Judge the promises that the measured variants say something about."""
    for own in OWN:
        if own in variants:
            yield from _latency(results, own, ERPDOO in variants)
            yield _beside_a_bad_one(results, own)
            if results.measured("backlog", own.key):
                yield from _backlog(results, own)
            for peer in (AUTOMATION, QUEUE_JOB):
                if peer in variants:
                    yield _times(results, own, peer)
    if results.claims:
        yield _claims(results)


def _latency(results: Results, own: Variant, beside_erpdoo: bool) -> Iterator[Verdict]:
    idle, busy = results.latency("idle", own.key), results.latency("busy", own.key)
    yield Verdict(
        f"{own.title}: p50 at most {IDLE_P50:g} ms, p99 at most {IDLE_P99:g} ms",
        f"{idle.p50:.2f} and {idle.p99:.2f} ms",
        idle.p50 <= IDLE_P50 and idle.p99 <= IDLE_P99,
    )
    if beside_erpdoo:
        peer = results.latency("idle", ERPDOO.key)
        yield Verdict(
            f"{own.title}: p50 ahead of {ERPDOO.title}",
            f"{idle.p50:.2f} against {peer.p50:.2f} ms",
            idle.p50 < peer.p50,
        )
    yield Verdict(
        f"{own.title}: p99 at most {BUSY_P99:g} ms with both cron workers busy",
        f"{busy.p99:.2f} ms",
        busy.p99 <= BUSY_P99,
    )


def _backlog(results: Results, own: Variant) -> Iterator[Verdict]:
    rate = results.rate("backlog", own.key)
    yield Verdict(
        f"{own.title}: at least {BACKLOG} events a second through a backlog",
        f"{rate:.0f}",
        rate >= BACKLOG,
    )
    if results.measured("backlog", ERPDOO.key):
        peer = results.rate("backlog", ERPDOO.key)
        yield Verdict(
            f"{own.title}: ahead of {ERPDOO.title} through a backlog",
            f"{rate:.0f} against {peer:.0f} events a second",
            rate > peer,
        )


def _beside_a_bad_one(results: Results, own: Variant) -> Verdict:
    alone, beside = (results.rate(what, own.key) for what in ("burst", "burst, one bad"))
    return Verdict(
        f"{own.title}: a burst takes at most {BAD:g} times as long beside one bad event",
        f"{1000 * BURST / beside:.0f} against {1000 * BURST / alone:.0f} ms, {alone / beside:.2f} "
        "times",
        alone <= BAD * beside,
    )


def _claims(results: Results) -> Verdict:
    (few, time_with_few), (many, time_with_many) = sorted(results.claims.items())
    return Verdict(
        f"a claim takes at most {CLAIM:g} times as long with {many:,} deliveries waiting as with "
        f"{few:,}",
        f"{time_with_many:.2f} against {time_with_few:.2f} ms",
        time_with_many <= CLAIM * time_with_few,
    )


def _times(results: Results, own: Variant, peer: Variant) -> Verdict:
    rate, other = results.rate("burst", own.key), results.rate("burst", peer.key)
    return Verdict(
        f"{own.title}: {BURST} contacts of one transaction, commit to last arrival, at least "
        f"{TIMES} times as fast as {peer.title}",
        f"{rate:.0f} against {other:.0f} events a second, {rate / other:.1f} times",
        rate >= TIMES * other,
    )
