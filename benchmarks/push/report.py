"""Prints results as tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.push.measuring import BURST
from benchmarks.push.results import Results
from benchmarks.push.variants import AUTOMATION, OWN, QUEUE_JOB, Variant
from benchmarks.reporting import Table
from devstack import console

_TABLE = Table(24, 20)


def tables(results: Results, variants: Sequence[Variant], backlog: int) -> None:
    """Print latencies and events a second."""
    floor = results.latency("floor", "")
    console.say()
    console.say(
        f"A bare request to the endpoint, sent to arrived: p50 {floor.p50:.2f} ms, p99 "
        f"{floor.p99:.2f} ms, longest {floor.worst:.2f} ms. No figure is more exact than that."
    )
    for what, title in (("idle", "idle"), ("busy", "both cron workers busy")):
        console.say()
        head = ["p50", "p95", "p99", "max", "p50, best round", "p99, best round"]
        _TABLE.row(f"ms, {title}", head, "bold")
        for variant in variants:
            one = results.latency(what, variant.key)
            best = results.best_round(what, variant.key)
            cells = [one.p50, one.p95, one.p99, one.worst, best.p50, best.p99]
            _TABLE.row(variant.title, [f"{cell:.2f}" for cell in cells])
    for what, title in (
        ("burst", f"Events a second, {BURST} contacts of one transaction, commit to last arrival"),
        ("burst, whole", "The same, but from the request to create them"),
        ("burst, one bad", f"{BURST} contacts, beside one that the endpoint refuses"),
        ("backlog", f"Events a second, a backlog of {backlog}, first to last arrival"),
    ):
        _rates(results, [v for v in variants if results.measured(what, v.key)], what, title)
    _factors(results, variants)


def _rates(results: Results, variants: Sequence[Variant], what: str, title: str) -> None:
    if not variants:
        return
    console.say()
    console.say(console.styled(title, "bold"))
    _TABLE.row("", ["median", "lowest", "highest"])
    for variant in variants:
        rates = results.rates(what, variant.key)
        cells = [results.rate(what, variant.key), min(rates), max(rates)]
        _TABLE.row(variant.title, [f"{cell:.0f}" for cell in cells])


def _factors(results: Results, variants: Sequence[Variant]) -> None:
    """Print how many times faster ours is; only the burst from the commit is promised."""
    own = [variant for variant in OWN if variant in variants]
    peers = [peer for peer in (AUTOMATION, QUEUE_JOB) if peer in variants]
    if not own or not peers:
        return
    console.say()
    figures = ("idle p50", "burst", "whole burst")
    _TABLE.row("times as fast as", [peer.title for peer in peers for _ in figures], "bold")
    _TABLE.row("", [*figures] * len(peers))
    for variant in own:
        cells = []
        for peer in peers:
            ours, theirs = (results.latency("idle", key).p50 for key in (variant.key, peer.key))
            cells.append(theirs / ours)
            for what in ("burst", "burst, whole"):
                cells.append(results.rate(what, variant.key) / results.rate(what, peer.key))
        _TABLE.row(variant.title, [f"{cell:.1f}" for cell in cells])
