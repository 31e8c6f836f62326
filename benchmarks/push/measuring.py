"""The measurements: what is done to a running server, and what comes of it."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from benchmarks.push.server import Running
from benchmarks.push.sink import REFUSED, Arrival, Sink
from benchmarks.push.variants import FIELD, Told
from devstack import DevstackError

#: Contacts that are created in one transaction
BURST = 300
#: Contacts of one transaction of the backlog
_CHUNK = 100
#: Seconds between an arrival and the next transaction: whoever sent it has time to note that
_PAUSE = (0.01, 0.03)
#: Seconds without an arrival after which it is worth looking at what came
_QUIET = 0.3
#: Seconds after which what has not arrived is lost
_LOST = 60
_LOST_BACKLOG = 600


class LostError(DevstackError):
    """Not every event has arrived once and in order, so the figures mean nothing."""


@dataclass(frozen=True)
class Burst:
    """Events a second up to the arrival of the last."""

    from_commit: float
    #: what whoever asks Odoo to create them sees
    from_request: float


@dataclass(frozen=True)
class Bench:
    """A running server, the endpoint, and a number that is never the same."""

    server: Running
    sink: Sink
    token: str
    _random: random.Random = field(default_factory=lambda: random.Random(19))  # noqa: S311

    def latencies(self, transactions: int) -> list[float]:
        """Milliseconds from commit to arrival, of contacts that are created one at a time."""
        created = []
        for number in range(transactions):
            time.sleep(self._random.uniform(*_PAUSE))
            created.append(self.server.api.create("res.partner", **self._contact(number)))
            if not self.sink.wait(number + 1, _LOST):
                raise LostError(f"{self._who()}: an event has not arrived within {_LOST} s.")
        commits = self.server.commits()
        arrived = {
            record_id: arrival.nanoseconds
            for arrival in self.sink.take()
            for record_id, _value in self._read(arrival)
        }
        if list(arrived) != created:
            raise LostError(f"{self._who()}: other events have arrived than were to.")
        return [(arrived[record_id] - commits[record_id]) / 1e6 for record_id in created]

    def burst(self) -> Burst:
        """How fast the events of many contacts arrive that are created in one transaction."""
        asked = time.monotonic_ns()
        created = self._create([self._contact(number) for number in range(BURST)])
        last = self._gather(created, _LOST)[-1].nanoseconds
        committed = max(self.server.commits().values())
        return Burst(BURST * 1e9 / (last - committed), BURST * 1e9 / (last - asked))

    def beside_a_bad_one(self) -> float:
        """Events a second up to the last of a burst in which the endpoint refuses one more event.

        The figure counts the events that the endpoint accepts, as in `burst`.
        """
        contacts = [self._contact(number) for number in range(BURST + 1)]
        contacts[BURST // 2][FIELD] = REFUSED.decode()
        created = self._create(contacts)
        bad = list(created)[BURST // 2]
        good = {record_id: told for record_id, told in created.items() if record_id != bad}
        last = self._gather(good, _LOST)[-1].nanoseconds
        committed = max(self.server.commits().values())
        self.server.give_up(bad)
        return BURST * 1e9 / (last - committed)

    def backlog(self, events: int) -> float:
        """Events a second, from the first to the last arrival of many that have been waiting.

        Half of them are new contacts, the other half are changes of the same ones.
        """
        self.server.hold_back()
        wanted: dict[int, list[str]] = {}
        for start in range(0, events // 2, _CHUNK):
            numbers = range(start, min(start + _CHUNK, events // 2))
            wanted |= self._create([self._contact(number) for number in numbers])
        ids = list(wanted)
        for start in range(0, len(ids), _CHUNK):
            chunk, value = ids[start : start + _CHUNK], f"Seller {self.token} {start}"
            self.server.api.call("res.partner", "write", chunk, vals={FIELD: value})
            for record_id in chunk:
                wanted[record_id].append(value)
        self.server.commits()
        self.server.let_go()
        arrivals = self._gather(wanted, _LOST_BACKLOG)
        return events / ((arrivals[-1].nanoseconds - arrivals[0].nanoseconds) / 1e9)

    def _create(self, contacts: list[dict[str, Any]]) -> dict[int, list[str]]:
        """Create contacts in one transaction; returns what the endpoint should be told of each."""
        ids = self.server.api.call("res.partner", "create", vals_list=contacts)
        return {i: [contact[FIELD]] for i, contact in zip(ids, contacts, strict=True)}

    def _gather(self, wanted: dict[int, list[str]], patience: float) -> list[Arrival]:
        """Wait for these events; raises if one is missing, repeated, strange or out of order."""
        left = sum(map(len, wanted.values()))
        arrivals: list[Arrival] = []
        found: dict[int, list[str]] = defaultdict(list)
        deadline = time.monotonic() + patience
        before = -1
        # Reading what came takes a processor from whoever is measured, so it waits.
        while left > 0:
            count = self.sink.count()
            if count and count == before:
                for arrival in self.sink.take():
                    arrivals.append(arrival)
                    for record_id, value in self._read(arrival):
                        found[record_id].append(value)
                        left -= 1
                count = 0
            if left > 0 and time.monotonic() > deadline:
                raise LostError(f"{self._who()}: {left} events have not arrived.")
            before = count
            if left > 0:
                time.sleep(_QUIET)
        if found != wanted:
            wrong = next(i for i in {*wanted, *found} if found.get(i) != wanted.get(i))
            raise LostError(
                f"{self._who()}: of contact {wrong} there came {found.get(wrong)}, "
                f"not {wanted.get(wrong)}."
            )
        return arrivals

    def _contact(self, number: int) -> dict[str, Any]:
        """A contact as people enter it."""
        return {
            "name": f"Contact {self.token} {number}",
            "email": f"contact{number}@example.com",
            "phone": f"+1 555 {number:04}",
            "street": f"{number} Main Street",
            "zip": f"{10000 + number}",
            "city": "Springfield",
            FIELD: f"Buyer {self.token} {number}",
            "comment": "Prefers to be called in the morning",
        }

    def _read(self, arrival: Arrival) -> list[Told]:
        return self.server.prepared.variant.read(arrival.body)

    def _who(self) -> str:
        return self.server.prepared.variant.title
