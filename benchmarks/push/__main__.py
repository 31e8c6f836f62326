"""`python -m benchmarks.push`: measure, print, judge."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import erpdoo, oca_addons
from benchmarks.push import report
from benchmarks.push.claiming import FEW_WAITING, claim_time
from benchmarks.push.cluster import replicates, replicating_postgres
from benchmarks.push.floor import floor
from benchmarks.push.follower import Follower
from benchmarks.push.measuring import Bench
from benchmarks.push.results import Results
from benchmarks.push.server import Prepared, prepare
from benchmarks.push.sink import Sink, sink
from benchmarks.push.targets import verdicts
from benchmarks.push.variants import ERPDOO, OURS, OWN, QUEUE_JOB, VARIANTS, Variant
from benchmarks.reporting import Verdict, conditions, run
from devstack import console
from devstack.databases import Databases
from devstack.odoo import Odoo
from devstack.postgres import Postgres

_BASE = ("base", "web", "contacts")
_OWN_ADDONS = Path(__file__).with_name("addons")
#: Transactions at the start of a turn that do not count: caches fill up
_WARM_UP = 20
#: Bursts in a turn
_BURSTS = 2


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    #: one contact each, in each state of the machine, in each round
    transactions: int
    #: events that wait, in each round; 0 leaves it out
    backlog: int
    #: deliveries that wait while claims are timed, beside few; 0 leaves it out
    waiting: int


def main() -> int:
    arguments = parse(sys.argv[1:])
    plan = Plan(arguments.rounds, arguments.transactions, arguments.backlog, arguments.waiting)
    return run(
        lambda: benchmark(arguments.only, plan, arguments.fsync, arguments.json), arguments.strict
    )


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.push", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=2, help="%(default)s")
    parser.add_argument(
        "--transactions", type=_positive, default=150, help="in each round; %(default)s"
    )
    parser.add_argument(
        "--backlog", type=_backlog, default=20000, help="events in each round; 0: none; %(default)s"
    )
    parser.add_argument(
        "--waiting",
        type=int,
        default=1_000_000,
        help="deliveries that wait while claims are timed; 0: none; %(default)s",
    )
    parser.add_argument(
        "--only",
        type=_variants,
        default=list(VARIANTS.values()),
        metavar="NAMES",
        help=f"some of {','.join(VARIANTS)}",
    )
    parser.add_argument(
        "--fsync", action="store_true", help="commits wait for the disk, as in production"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    parser.add_argument("--strict", action="store_true", help="a missed target is a failure")
    return parser.parse_args(words)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("less than one says nothing")
    return number


def _backlog(word: str) -> int:
    events = int(word)
    if events < 0 or events % 200:
        raise argparse.ArgumentTypeError("has to be a multiple of 200")
    return events


def _variants(word: str) -> list[Variant]:
    keys = set(word.split(","))
    if unknown := keys - set(VARIANTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return [variant for key, variant in VARIANTS.items() if key in keys]


def benchmark(
    variants: Sequence[Variant], plan: Plan, fsync: bool, file: Path | None
) -> Iterator[Verdict]:
    """Measure the variants, print the figures and judge them."""
    results = Results()
    with ExitStack() as exits:
        server = exits.enter_context(replicating_postgres(fsync))
        if ERPDOO in variants and not replicates(server):
            console.say(console.styled("No erpdoo: it needs wal_level = logical.", "yellow"))
            variants = [variant for variant in variants if variant != ERPDOO]
        endpoint = exits.enter_context(sink())
        prepared = prepare_all(exits, server, endpoint, variants)
        with console.step("Measuring") as step:
            for number in range(plan.rounds):
                results.add_latencies("floor", "", floor(endpoint))
                # Each has every place in the order: whoever follows another finds the machine in
                # the state that this one left it in.
                turn = number % len(prepared)
                for one in [*prepared[turn:], *prepared[:turn]]:
                    step.note = f"round {number + 1}, {one.variant.title}"
                    measure(results, one, plan, f"{number}-{one.variant.key}")
            for one in prepared:
                if one.variant == OURS and plan.waiting:
                    step.note = "claims"
                    for waiting in (FEW_WAITING, plan.waiting):
                        results.claims[waiting] = claim_time(one, waiting)
            step.note = f"{plan.rounds} rounds; every event arrived, once and in order"
    report.tables(results, variants, plan.backlog)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(results.as_json(), indent=1))
    return verdicts(results, variants)


def prepare_all(
    exits: ExitStack, server: Postgres, endpoint: Sink, variants: Sequence[Variant]
) -> list[Prepared]:
    """A database for each variant, configured."""
    addons = oca_addons() if QUEUE_JOB in variants else None
    program = erpdoo() if ERPDOO in variants else None
    versions = [*addons.versions] if addons else []
    versions += [program.version] if program else []
    if addons:
        odoo = Odoo(server, (addons.addons, _OWN_ADDONS), (addons.python,))
    else:
        odoo = Odoo(server, (_OWN_ADDONS,))
    databases = Databases(odoo)
    names = [exits.enter_context(databases.fresh(v.modules, _BASE)) for v in variants]
    conditions(server, versions)
    folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    prepared = []
    with console.step("Configuring who sends") as step:
        for name, variant in zip(names, variants, strict=True):
            step.note = variant.title
            follower = None
            if variant == ERPDOO and program:
                follower = Follower(program, server, name, folder / "follower")
                follower.configure(endpoint.url)
            prepared.append(prepare(variant, odoo, name, endpoint, folder / variant.key, follower))
        step.note = ""
    return prepared


def measure(results: Results, one: Prepared, plan: Plan, token: str) -> None:
    """A variant's turn in a round."""
    key = one.variant.key
    with one.running() as server:
        bench = Bench(server, one.sink, token)
        bench.latencies(_WARM_UP)
        results.add_latencies("idle", key, bench.latencies(plan.transactions))
        bursts = [bench.burst() for _ in range(_BURSTS)]
        results.add_rates("burst", key, [burst.from_commit for burst in bursts])
        results.add_rates("burst, whole", key, [burst.from_request for burst in bursts])
        if one.variant in OWN:
            rates = [bench.beside_a_bad_one() for _ in range(_BURSTS)]
            results.add_rates("burst, one bad", key, rates)
        with server.busy():
            results.add_latencies("busy", key, bench.latencies(plan.transactions))
        if one.variant.keeps and plan.backlog:
            results.add_rates("backlog", key, [bench.backlog(plan.backlog)])


if __name__ == "__main__":
    sys.exit(main())
