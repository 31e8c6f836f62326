"""`python -m benchmarks.copying`: copy contacts between two databases, and print the speed."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from bridgecore.config.databases import System
from bridgecore.copying import Copying
from bridgecore.odoo.api import OdooApi

from benchmarks.reporting import Table, Verdict, conditions, run
from devstack import DevstackError
from devstack.databases import Databases
from devstack.json2 import Json2
from devstack.odoo import Odoo
from devstack.postgres import postgres

RECORDS_PER_SECOND = 200
#: seconds to connect and to wait for an answer, as in BRIDGECORE_FEED_TIMEOUT
TIMEOUT = (5.0, 120.0)
#: worker processes of each Odoo
WORKERS = 2
#: records that the shop creates at once
BATCH = 500

_KEY = """
admin = env.ref("base.user_admin")
result = env["res.users.apikeys"].with_user(admin).sudo()._generate("rpc", "bench", None)
env.cr.commit()
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copying", description=__doc__)
    parser.add_argument("--records", type=int, default=5000, help="%(default)s")
    parser.add_argument("--strict", action="store_true", help="a missed target is a failure")
    arguments = parser.parse_args()
    return run(lambda: benchmark(arguments.records), arguments.strict)


def benchmark(records: int) -> Iterator[Verdict]:
    logging.disable(logging.CRITICAL)  # a line for each refused record
    with ExitStack() as exits:
        odoo = Odoo(exits.enter_context(postgres()))
        conditions(odoo.postgres, (), f"{WORKERS} Odoo workers on each side; ")
        databases = Databases(odoo)
        sides = {}
        for name in ("shop", "office"):
            database = exits.enter_context(databases.fresh())
            key = odoo.run_script(database, _KEY)
            server = odoo.serve(database, workers=WORKERS)
            exits.callback(server.stop)
            server.wait_until_ready()
            sides[name] = Json2(server.url, database, str(key), timeout=TIMEOUT[1])
        with odoo.postgres.connect(sides["office"].database) as cursor:
            cursor.execute("ALTER TABLE res_partner ADD CHECK (name NOT LIKE 'Refused %')")
        table = Table(24, 14)
        table.row("refused", ["records/s", "second run"], "bold")
        for title, every in (("warming up", 0), ("none", 0), ("1 %", 100)):
            first, again = measure(sides, title, records if title != "warming up" else 200, every)
            table.row(title, [f"{first:.0f}", f"{again:.0f}"])
    kept = first >= RECORDS_PER_SECOND
    promise = f"at least {RECORDS_PER_SECOND} records/s if 1 % are refused"
    yield Verdict(promise, f"{first:.0f}", kept)


def measure(sides: dict[str, Json2], ref: str, records: int, every: int) -> tuple[float, float]:
    """Return the records per second of a first copy, and of a second one that changes nothing."""
    for start in range(0, records, BATCH):
        people = [
            {"name": f"{'Refused' if every and n % every == 0 else 'Person'} {n}", "ref": ref}
            for n in range(start, min(start + BATCH, records))
        ]
        sides["shop"].call("res.partner", "create", vals_list=people)
    refused = len(range(0, records, every)) if every else 0
    speeds = []
    for expected in ((records - refused, 0), (0, records - refused)):
        started = time.perf_counter()
        copying = Copying(api("shop", sides["shop"]), api("office", sides["office"]), "res.partner")
        result = copying.run([["ref", "=", ref]])
        speeds.append(records / (time.perf_counter() - started))
        if (result["created"], result["unchanged"], result["errors"]) != (*expected, refused):
            raise DevstackError(f"The copy is wrong: {result}")
    return speeds[0], speeds[1]


def api(name: str, side: Json2) -> OdooApi:
    system = System.model_validate(
        {"name": name, "url": side.url, "database": side.database, "api_key": side.api_key}
    )
    return OdooApi(system, TIMEOUT)


if __name__ == "__main__":
    sys.exit(main())
