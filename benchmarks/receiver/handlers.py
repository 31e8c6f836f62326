"""What the workers run: nothing, or a note of the time at which the event was handled."""

import time

from bridgecore import Event, on

from benchmarks.receiver.noting import DONE, connection


@on("bench.idle")
def note_the_time(event: Event) -> None:
    connection().hset(DONE, str(event.event_id), repr(time.time()))


@on("bench.load")
def do_nothing(event: Event) -> None:
    """The receiver's own cost is what is measured."""
