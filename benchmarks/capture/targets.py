"""What is promised, and whether the results keep it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.capture.results import Results, mean
from benchmarks.capture.variants import AGAIN, BESIDE, OURS, PEERS, UNTRACKED
from benchmarks.capture.workloads import HEADLINE, WORKLOADS, Workload
from benchmarks.reporting import Verdict

#: Geometric mean of our ratios to untracked
MEAN_TARGET = 1.25
MEAN_LIMIT = 1.35
#: Our ratio in any single workload
WORST_LIMIT = 1.75
#: Our time divided by the better peer's, in any single workload
PEER_LIMIT = 1.05


def verdicts(results: Results, variants: Sequence[str]) -> Iterator[Verdict]:
    """Judge the promises that the measured variants say something about."""
    if OURS.key in variants:
        yield from _own(results)
        peers = [peer.key for peer in PEERS if peer.key in variants]
        if peers:
            yield from _against_peers(results, peers)
    if BESIDE.key in variants:
        yield _no_statements(results)
        if AGAIN.key in variants:
            yield _within_spread(results)


def ratios(results: Results, variant: str) -> dict[Workload, float]:
    """A variant's times divided by untracked ones, for the workloads that count."""
    return {w: results.median_ratio(variant, UNTRACKED.key, w.key) for w in HEADLINE}


def extra_statements(results: Results, variant: str, workload: Workload) -> int:
    """SQL statements beyond those of untracked."""
    return results.statements(variant, workload.key) - results.statements(
        UNTRACKED.key, workload.key
    )


def _own(results: Results) -> Iterator[Verdict]:
    own = ratios(results, OURS.key)
    overall = mean(own.values())
    reached = "" if overall <= MEAN_TARGET else " (passes, target missed)"
    yield Verdict(
        f"geometric mean at most {MEAN_TARGET} times untracked ({MEAN_LIMIT} passes)",
        f"{overall:.2f}{reached if overall <= MEAN_LIMIT else ''}",
        overall <= MEAN_LIMIT,
    )
    worst = max(own, key=lambda workload: own[workload])
    yield Verdict(
        f"no workload over {WORST_LIMIT} times untracked",
        f"{own[worst]:.2f} in “{worst.title}”",
        own[worst] <= WORST_LIMIT,
    )
    bulk = {w: extra_statements(results, OURS.key, w) for w in HEADLINE if w.transactions == 1}
    singles = {
        w: extra_statements(results, OURS.key, w) / w.transactions
        for w in HEADLINE
        if w.transactions > 1
    }
    yield Verdict(
        "extra SQL statements do not grow with the number of records",
        f"{_numbers(bulk.values())} for many records, {_numbers(singles.values())} for one",
        max(bulk.values()) <= max(singles.values()),
    )


def _against_peers(results: Results, peers: Sequence[str]) -> Iterator[Verdict]:
    own = mean(ratios(results, OURS.key).values())
    theirs = {peer: mean(ratios(results, peer).values()) for peer in peers}
    yield Verdict(
        "better than the peers on the mean",
        f"{own:.2f} against " + ", ".join(f"{name} {value:.2f}" for name, value in theirs.items()),
        own < min(theirs.values()),
    )
    shares = {
        workload: max(results.median_ratio(OURS.key, peer, workload.key) for peer in peers)
        for workload in HEADLINE
    }
    worst = max(shares, key=lambda workload: shares[workload])
    yield Verdict(
        f"nowhere more than {PEER_LIMIT} times the better peer",
        f"{shares[worst]:.2f} in “{worst.title}”",
        shares[worst] <= PEER_LIMIT,
    )


def _no_statements(results: Results) -> Verdict:
    extra = [extra_statements(results, BESIDE.key, workload) for workload in WORKLOADS.values()]
    return Verdict(
        "an untracked model beside tracked ones: no extra SQL statements",
        _numbers(extra),
        not any(extra),
    )


def _within_spread(results: Results) -> Verdict:
    outside = []
    for workload in HEADLINE:
        low, high = results.spread(AGAIN.key, UNTRACKED.key, workload.key)
        found = results.median_ratio(BESIDE.key, UNTRACKED.key, workload.key)
        if found > high:
            outside.append(f"{found:.2f} (spread {low:.2f} to {high:.2f}) in “{workload.title}”")
    overall = mean(ratios(results, BESIDE.key).values())
    return Verdict(
        "an untracked model beside tracked ones: time within the spread of equal runs",
        "; ".join(outside) or f"{overall:.2f} on the mean",
        not outside,
    )


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
