"""Prints results as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.capture.results import Results, mean
from benchmarks.capture.targets import extra_statements
from benchmarks.capture.variants import AGAIN, UNTRACKED, Variant
from benchmarks.capture.workloads import HEADLINE, WARM, Workload
from benchmarks.reporting import Table
from devstack import console

_TABLE = Table(54, 17)


def tables(results: Results, variants: Sequence[Variant]) -> None:
    """Print times, ratios and numbers of statements."""
    others = [variant for variant in variants if variant != UNTRACKED]

    def milliseconds(variant: Variant, workload: Workload) -> str:
        best = results.best(variant.key, workload.key)
        return f"{best:.1f} ({results.median(variant.key, workload.key):.1f})"

    def ratio(variant: Variant, workload: Workload) -> str:
        best = results.best_ratio(variant.key, UNTRACKED.key, workload.key)
        return f"{best:.2f} ({results.median_ratio(variant.key, UNTRACKED.key, workload.key):.2f})"

    def cpu(variant: Variant, workload: Workload) -> str:
        return f"{results.cpu_ratio(variant.key, UNTRACKED.key, workload.key):.2f}"

    def statements(variant: Variant, workload: Workload) -> str:
        return f"{extra_statements(results, variant.key, workload) / workload.transactions:g}"

    _table("Milliseconds, best (median)", variants, (*HEADLINE, *WARM), milliseconds)
    if not others:
        return
    _table("÷ untracked, best by best (median of the rounds)", others, HEADLINE, ratio)
    means = _means(results.best_ratio, others)
    medians = _means(results.median_ratio, others)
    cells = [f"{one:.2f} ({two:.2f})" for one, two in zip(means, medians, strict=True)]
    _TABLE.row("geometric mean", cells, "bold")
    _table("÷ untracked, processor time of Odoo and its database", others, HEADLINE, cpu)
    cells = [f"{one:.2f}" for one in _means(results.cpu_ratio, others)]
    _TABLE.row("geometric mean", cells, "bold")
    _table("÷ untracked, records read before (not in any mean)", others, WARM, ratio)
    _table(
        "SQL statements beyond untracked, per transaction", others, (*HEADLINE, *WARM), statements
    )
    if AGAIN in variants:
        console.say()
        console.say("Spread of equal runs, ratios of single rounds:")
        for workload in HEADLINE:
            low, high = results.spread(AGAIN.key, UNTRACKED.key, workload.key)
            _TABLE.row(workload.title, [f"{low:.2f} to {high:.2f}"])


def noise(found: float, calm: float) -> None:
    """Say so if noise may have decided what became of a promise."""
    if found > calm:
        warning = (
            f"The machine was busy: two equal variants are up to {found:.0%} apart, so no ratio is "
            "more exact than that."
        )
        console.say()
        console.say(console.styled(warning, "yellow"))


def _means(ratio: Callable[[str, str, str], float], variants: Sequence[Variant]) -> list[float]:
    return [mean(ratio(v.key, UNTRACKED.key, w.key) for w in HEADLINE) for v in variants]


def _table(
    title: str,
    variants: Sequence[Variant],
    workloads: Sequence[Workload],
    cell: Callable[[Variant, Workload], str],
) -> None:
    console.say()
    _TABLE.row(title, [variant.title for variant in variants], "bold")
    for workload in workloads:
        _TABLE.row(workload.title, [cell(variant, workload) for variant in variants])
