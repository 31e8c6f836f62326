"""`python -m benchmarks.capture`: measure, print, judge."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.capture import report
from benchmarks.capture.results import Results
from benchmarks.capture.targets import verdicts
from benchmarks.capture.variants import AGAIN, PEERS, UNTRACKED, VARIANTS, Variant
from benchmarks.capture.worker import Worker, worker
from benchmarks.capture.workloads import HEADLINE, WORKLOADS
from benchmarks.peers import oca_addons
from benchmarks.reporting import Verdict, conditions, run
from devstack import console
from devstack.databases import BASE_MODULES, Databases
from devstack.odoo import Odoo
from devstack.postgres import postgres

#: What is installed in every database. Contacts bring the chatter, which queue_job needs anyhow;
#: Sales add about as many columns to a contact again, and more work to its creation.
BASES = {"contacts": ("base", "web", "contacts"), "sale": BASE_MODULES}
_OWN_ADDONS = Path(__file__).with_name("addons")
#: Rounds go on while two equal things differ by more than this …
_CALM = 0.04
#: … up to so many times the rounds that were asked for
_PATIENCE = 2


def main() -> int:
    arguments = parse(sys.argv[1:])
    return run(
        lambda: benchmark(arguments.only, BASES[arguments.base], arguments.rounds, arguments.json),
        arguments.strict,
    )


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture", description=__doc__)
    parser.add_argument("--rounds", type=_rounds, default=10, help="5 or more; %(default)s")
    parser.add_argument(
        "--only",
        type=_variants,
        default=list(VARIANTS.values()),
        metavar="NAMES",
        help=f"some of {','.join(VARIANTS)}; untracked is always measured",
    )
    parser.add_argument(
        "--base", choices=BASES, default="contacts", help="what is installed; %(default)s"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    parser.add_argument("--strict", action="store_true", help="a missed target is a failure")
    return parser.parse_args(words)


def _rounds(word: str) -> int:
    rounds = int(word)
    if rounds < 5:
        raise argparse.ArgumentTypeError("fewer than 5 rounds say nothing")
    return rounds


def _variants(word: str) -> list[Variant]:
    keys = {UNTRACKED.key, *word.split(",")}
    if unknown := keys - set(VARIANTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return [variant for key, variant in VARIANTS.items() if key in keys]


def benchmark(
    variants: Sequence[Variant], base: Sequence[str], rounds: int, file: Path | None
) -> Iterator[Verdict]:
    """Measure the variants, print the figures and judge them."""
    results = Results()
    with ExitStack() as exits:
        server = exits.enter_context(postgres())
        found = oca_addons() if set(PEERS) & set(variants) else None
        odoo = Odoo(server, (found.addons, _OWN_ADDONS), (found.python,)) if found else Odoo(server)
        databases = Databases(odoo)
        names = [
            exits.enter_context(databases.fresh(variant.modules, base)) for variant in variants
        ]
        remark = f"Installed besides: {', '.join(base)}. "
        conditions(server, found.versions if found else (), remark)
        with console.step("Starting an Odoo for each variant"):
            workers = [
                exits.enter_context(worker(odoo, name, variant))
                for name, variant in zip(names, variants, strict=True)
            ]
        measure(results, workers, rounds)
    report.tables(results, variants)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(results.as_json(), indent=1))
    report.noise(noise(results, variants), _CALM)
    return verdicts(results, [variant.key for variant in variants])


def measure(results: Results, workers: Sequence[Worker], rounds: int) -> None:
    """Run every workload in every variant, round by round."""
    variants = [process.variant for process in workers]
    with console.step("Measuring") as step:
        step.note = "warming up"
        measure_round(Results(), workers, 0)  # caches of the processes and of PostgreSQL fill up
        for number in range(1, _PATIENCE * rounds + 1):
            step.note = f"round {number}"
            measure_round(results, workers, number)
            if number >= rounds and noise(results, variants) <= _CALM:
                break
        step.note = f"{number} rounds; every change was checked to be recorded"


def measure_round(results: Results, workers: Sequence[Worker], number: int) -> None:
    # Each has every place in the order: whoever follows another finds the machine in the state
    # that this one left it in.
    turn = number % len(workers)
    ordered = [*workers[turn:], *workers[:turn]]
    for workload in WORKLOADS:
        for process in ordered:
            measurement = process.run(workload, f"{number}-{workload}")
            results.add(process.variant.key, workload, measurement)


def noise(results: Results, variants: Sequence[Variant]) -> float:
    """How far two equal things are apart; looks at nothing that is judged."""
    if not {UNTRACKED, AGAIN} <= set(variants):
        return 0.0
    return results.distance(AGAIN.key, UNTRACKED.key, [workload.key for workload in HEADLINE])


if __name__ == "__main__":
    sys.exit(main())
