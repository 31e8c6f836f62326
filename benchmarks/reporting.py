"""What every benchmark prints: how its figures were made, tables, and what they mean."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from devstack import DevstackError, console
from devstack.postgres import Postgres


@dataclass(frozen=True)
class Verdict:
    """One promise and what became of it."""

    promise: str
    found: str
    kept: bool


def run(benchmark: Callable[[], Iterable[Verdict]], strict: bool) -> int:
    """Run a benchmark and print its judgement; returns the exit status.

    :param strict: a missed promise is a failure
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        found = list(benchmark())
    except DevstackError as error:
        console.say(console.styled(f"Error: {error}", "red"))
        return 2
    except KeyboardInterrupt:
        return 130
    console.say()
    for verdict in found:
        mark = (
            console.styled("kept  ", "green") if verdict.kept else console.styled("MISSED", "red")
        )
        console.say(f"{mark}  {verdict.promise}: {verdict.found}")
    return 0 if not strict or all(verdict.kept for verdict in found) else 1


def conditions(postgres: Postgres, peers: Sequence[str], remark: str = "") -> None:
    """Print how the figures are made."""
    settings = ("server_version", "wal_level", "fsync", "synchronous_commit", "full_page_writes")
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
    console.say(f"{remark}{os.cpu_count()} cores, load {load:.1f} before the start")


@dataclass(frozen=True)
class Table:
    """Prints rows of a title and cells, in columns of a fixed width."""

    title_width: int
    cell_width: int

    def row(self, title: str, cells: Sequence[str], *styles: str) -> None:
        line = title.ljust(self.title_width) + "".join(c.rjust(self.cell_width) for c in cells)
        console.say(console.styled(line, *styles))
