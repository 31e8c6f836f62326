"""How long a claim takes, few and many deliveries waiting."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from benchmarks.push.server import Prepared
from devstack.cache import REPO

_SCRIPT = "from benchmarks.push.inside import claim_times; result = claim_times(env, waiting, 20)"
#: Deliveries that hardly any claim is slowed down by
FEW_WAITING = 10_000
#: Claims at the start that do not count: caches fill up
_WARM_UP = 5


def claim_time(prepared: Prepared, waiting: int) -> float:
    """Milliseconds that the claim of a full batch takes while so many deliveries wait."""
    shell = replace(prepared.odoo, extra_python=(*prepared.odoo.extra_python, REPO))
    times: list[float] = shell.run_script(prepared.database, _SCRIPT, waiting=waiting)
    return median(times[_WARM_UP:])
