"""How many events a worker claims at once, and when it shares its records with others."""

#: seconds that the handlers may take for one batch
BATCH_SECONDS = 0.025

#: events in one batch at most
MAX_EVENTS = 100

#: seconds of handling from which on a worker shares its records with other workers
LONG = 0.25


class Pace:
    """Computes the size of the next batch from the duration of the last one.

    A large batch spares round trips to Redis. But its events wait for this process, even if another
    one is idle. So slow handlers get one event at a time. When handlers get faster, the size
    doubles from batch to batch.
    """

    def __init__(self) -> None:
        #: events of the next batch at most
        self.limit = 1
        self._seconds = 0.0  # per event

    def note_batch(self, seconds: float, events: int) -> None:
        """Adapt `limit` to a batch that was handled.

        Parameters:
            seconds: how long its handlers took.
            events: how many of its events were handled.
        """
        self._seconds = seconds / max(events, 1)
        self.limit = max(
            1, min(2 * events, int(BATCH_SECONDS / max(self._seconds, 1e-9)), MAX_EVENTS)
        )

    def is_long(self, records: int) -> bool:
        """Return whether so many records would take long, with one event each."""
        return records * self._seconds > LONG
