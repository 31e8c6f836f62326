"""`python -m benchmarks.receiver`: measure, print, judge."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable

from benchmarks.receiver import measuring
from benchmarks.receiver.results import Row, missed
from benchmarks.receiver.stage import stage
from devstack import console


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receiver", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts; %(default)s")
    parser.add_argument("--stored", type=int, default=100_000, help="events; %(default)s")
    parser.add_argument("--events", type=int, default=20_000, help="of a round; %(default)s")
    parser.add_argument("--strict", action="store_true", help="a missed target is a failure")
    arguments = parser.parse_args()
    cores, load = os.cpu_count(), os.getloadavg()[0]
    console.say(f"Python {platform.python_version()}, {cores} cores, load {load:.1f} before")

    rows: list[Row] = []

    def show(title: str, measured: Iterable[Row]) -> None:
        with console.step(title):
            found = list(measured)
        for row in found:
            console.say(f"  {row}")
        rows.extend(found)

    with stage(arguments.stored) as running:
        show("Accepting", measuring.accepting(running, arguments.rounds))
        running.receiver.start("worker")
        running.receiver.wait_until_ready("worker")
        show("Latency when idle", measuring.latency(running, "idle"))
        show("Handling", measuring.handling(running, arguments.events, arguments.rounds))
        show("Storing", measuring.storing(running, arguments.stored))
        title = f"{arguments.stored:,} stored"
        show("Latency with many events", measuring.latency(running, title))
    for row in missed(rows):
        console.say(console.styled(f"MISSED  {row}", "red"))
    return 1 if arguments.strict and any(missed(rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
