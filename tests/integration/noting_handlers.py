"""Handlers that note in a file when they begin and end; no kill can take that back."""

import os
import time

from bridgecore import Event, on

FILE = os.environ["NOTES"]


def note(*words: str) -> None:
    with open(FILE, "a", buffering=1) as file:  # one write, at the end of the file
        file.write(" ".join(words) + "\n")


@on("test.*")
def write_down(event: Event) -> None:
    note("begin", event.idempotency_key, str(os.getpid()))
    time.sleep(0.005)  # work: most kills should come in its middle
    note("end", event.idempotency_key, str(os.getpid()))
