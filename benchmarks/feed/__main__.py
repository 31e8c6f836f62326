"""`python -m benchmarks.feed`: measure, print, judge."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.feed.measuring import PAGE, RETENTION, Measuring
from benchmarks.feed.table import fill
from benchmarks.reporting import Verdict, run
from devstack import console
from devstack.feed_server import FeedServer, feed_server

#: Slowest page divided by the fastest
FLAT = 1.3
#: A page, less what any call costs, divided by PostgreSQL's time for the same rows as JSON
OVERHEAD = 2.0
EVENTS_PER_SECOND = 10_000
#: milliseconds
STATS = HEALTH = 50
CONFIRM = 100
#: A page for a user who follows record rules, divided by the same page for one who does not
BY_RULES = 3.0
#: Times that are measured once per round, by name
Times = dict[str, list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="%(default)s")
    parser.add_argument("--events", type=int, default=1_000_000, help="%(default)s")
    parser.add_argument("--strict", action="store_true", help="a missed target is a failure")
    arguments = parser.parse_args()
    return run(lambda: benchmark(arguments.events, arguments.rounds), arguments.strict)


def benchmark(events: int, rounds: int) -> Iterator[Verdict]:
    """Measure everything, print the figures and judge them."""
    with feed_server(workers=1) as feed:
        times, rates, batches = measure(feed, events, rounds)
    report(times, rates, batches)
    return verdicts(times, rates)


def measure(
    feed: FeedServer, events: int, rounds: int
) -> tuple[Times, list[float], dict[str, dict[str, list[float]]]]:
    """Measure everything in turns, round by round; retention last, because it deletes."""
    console.say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start")
    times: Times = defaultdict(list)
    rates = []
    with feed.postgres.connect(feed.database) as cursor:
        with console.step(f"Writing {events:,} events"):
            fill(cursor, events, PAGE * (rounds + 2))
        measuring = Measuring(feed, cursor, events)
        calls: dict[str, Callable[[], float]] = {}
        for name, place in measuring.places.items():
            calls[f"page at the {name}"] = partial(measuring.page, place)
            calls[f"the same rows, {name}"] = partial(measuring.page_as_json, place)
        middle = measuring.places["middle"]
        calls["contacts, all"] = partial(measuring.contacts, measuring.client, middle)
        calls["contacts, by record rules"] = partial(measuring.contacts, measuring.phone, middle)
        calls["bootstrap, all"] = partial(measuring.records, measuring.client)
        calls["bootstrap, by record rules"] = partial(measuring.records, measuring.phone)
        calls["page of one event"] = partial(measuring.page, middle, 1)
        calls["stats"] = partial(measuring.get, "stats?days=3650")
        calls["health"] = partial(measuring.get, "health")
        with console.step("Measuring") as step:
            times["stats, first call ever"].append(calls["stats"]())
            for number in range(rounds + 1):
                step.note = f"round {number}"
                for name, call in calls.items():
                    taken = call()
                    if number:  # the first fills caches
                        times[name].append(taken)
                times["mark-processed of 1,000"].append(measuring.confirm(number))
                rates.append(measuring.follow(10))
            step.note = f"{rounds} rounds"
    with console.step("Retention"):
        batches = feed.odoo.run_script(feed.database, RETENTION, batches=5)
    return times, rates, batches


def report(
    times: Times, rates: Sequence[float], batches: dict[str, dict[str, list[float]]]
) -> None:
    console.say()
    console.say(console.styled(f"{'Milliseconds':32}{'best':>10}{'median':>10}", "bold"))
    for name, taken in times.items():
        console.say(f"{name:32}{min(taken):10.1f}{statistics.median(taken):10.1f}")
    for name, batch in batches.items():
        taken = batch["milliseconds"]
        label = f"{name}, {batch['rows']:,} events"
        console.say(f"{label:32}{min(taken):10.1f}{statistics.median(taken):10.1f}")
    console.say()
    console.say(f"Events per second: {max(rates):,.0f} (median {statistics.median(rates):,.0f})")


def verdicts(times: Times, rates: Sequence[float]) -> Iterator[Verdict]:
    """Judge by the median of the rounds: it is what callers see, and steadier than the best."""
    typical = {name: statistics.median(taken) for name, taken in times.items()}
    places = ("start", "middle", "end")
    pages = [typical[f"page at the {place}"] for place in places]
    alone = [typical[f"the same rows, {place}"] for place in places]
    flat = max(pages) / min(pages)
    yield Verdict(f"pages take the same time everywhere (≤ {FLAT})", f"{flat:.2f}", flat <= FLAT)
    # What Odoo's HTTP and the hash of the key take does not depend on the feed or its pages.
    any_call = typical["page of one event"]
    worst = max((page - any_call) / one for page, one in zip(pages, alone, strict=True))
    whole = max(page / one for page, one in zip(pages, alone, strict=True))
    yield Verdict(
        f"≤ {OVERHEAD:g} times PostgreSQL's time for the same JSON",
        f"{worst:.2f} (with what any call of Odoo costs: {whole:.2f})",
        worst <= OVERHEAD,
    )
    slower = typical["contacts, by record rules"] / typical["contacts, all"]
    yield Verdict(
        f"a page by record rules ≤ {BY_RULES:g} times one of all",
        f"{slower:.2f}",
        slower <= BY_RULES,
    )
    rate = statistics.median(rates)
    yield Verdict(
        f"≥ {EVENTS_PER_SECOND:,} events a second through one worker",
        f"{rate:,.0f}",
        rate >= EVENTS_PER_SECOND,
    )
    for name, limit in (("stats", STATS), ("health", HEALTH), ("mark-processed of 1,000", CONFIRM)):
        yield Verdict(f"{name} ≤ {limit} ms", f"{typical[name]:.1f} ms", typical[name] <= limit)


if __name__ == "__main__":
    sys.exit(main())
