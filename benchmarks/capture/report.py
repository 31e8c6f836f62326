"""Prints results as tables, with how they were made and what they mean."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence

from benchmarks.capture.results import Results, mean
from benchmarks.capture.targets import Verdict, extra_statements
from benchmarks.capture.variants import AGAIN, UNTRACKED, Variant
from benchmarks.capture.workloads import HEADLINE, WARM, Workload
from devstack import console
from devstack.postgres import Postgres

_FIRST_COLUMN = 54
_COLUMN = 17


def conditions(postgres: Postgres, base: Sequence[str], peers: Sequence[str]) -> None:
    """Print how the figures were made."""
    settings = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
    with postgres.connect() as cursor:
        found = {}
        for name in settings:
            cursor.execute(f"SHOW {name}")
            (found[name],) = cursor.fetchone()
    version = found.pop("server_version")
    console.say(
        f"Odoo 19.0, Python {platform.python_version()}, PostgreSQL {version} ("
        + ", ".join(f"{name} {value}" for name, value in found.items())
        + ")"
    )
    if peers:
        console.say("Peers: " + ", ".join(peers))
    load = os.getloadavg()[0]
    console.say(
        f"Installed besides: {', '.join(base)}. {os.cpu_count()} cores, load {load:.1f} before "
        "the start"
    )


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
    _row("geometric mean", cells, "bold")
    _table("÷ untracked, processor time of Odoo and its database", others, HEADLINE, cpu)
    _row("geometric mean", [f"{one:.2f}" for one in _means(results.cpu_ratio, others)], "bold")
    _table("÷ untracked, records read before (not in any mean)", others, WARM, ratio)
    _table(
        "SQL statements beyond untracked, per transaction", others, (*HEADLINE, *WARM), statements
    )
    if AGAIN in variants:
        console.say()
        console.say("Spread of equal runs, ratios of single rounds:")
        for workload in HEADLINE:
            low, high = results.spread(AGAIN.key, UNTRACKED.key, workload.key)
            _row(workload.title, [f"{low:.2f} to {high:.2f}"])


def judgement(found: Sequence[Verdict], noise: float, calm: float) -> None:
    """Print what became of each promise, and whether noise may have decided it."""
    console.say()
    if noise > calm:
        warning = (
            f"The machine was busy: two equal variants are up to {noise:.0%} apart, so no ratio is "
            "more exact than that."
        )
        console.say(console.styled(warning, "yellow"))
    for verdict in found:
        mark = (
            console.styled("kept  ", "green") if verdict.kept else console.styled("MISSED", "red")
        )
        console.say(f"{mark}  {verdict.promise}: {verdict.found}")


def _means(ratio: Callable[[str, str, str], float], variants: Sequence[Variant]) -> list[float]:
    return [mean(ratio(v.key, UNTRACKED.key, w.key) for w in HEADLINE) for v in variants]


def _table(
    title: str,
    variants: Sequence[Variant],
    workloads: Sequence[Workload],
    cell: Callable[[Variant, Workload], str],
) -> None:
    console.say()
    _row(title, [variant.title for variant in variants], "bold")
    for workload in workloads:
        _row(workload.title, [cell(variant, workload) for variant in variants])


def _row(title: str, cells: Sequence[str], *styles: str) -> None:
    line = title.ljust(_FIRST_COLUMN) + "".join(cell.rjust(_COLUMN) for cell in cells)
    console.say(console.styled(line, *styles))
