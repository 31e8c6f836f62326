"""How many events are taken at once, and how many are left to others."""

#: seconds of handling that are taken at once, at most
MOMENT = 0.025

#: events that are taken at once, at most
MOST = 100

#: seconds; what would take longer is shared with other processes
LONG = 0.25


class Pace:
    """As many as the handlers of this process manage in a moment.

    Taking many spares round trips; but what is taken waits for this process, even if another one
    is idle. So with slow handlers it is one event, and where they get faster twice as many as
    before.
    """

    def __init__(self) -> None:
        self.limit = 1
        self._seconds = 0.0  # per event

    def took(self, seconds: float, events: int) -> None:
        """Learn how long a batch took."""
        self._seconds = seconds / max(events, 1)
        self.limit = max(1, min(2 * events, int(MOMENT / max(self._seconds, 1e-9)), MOST))

    def is_long(self, records: int) -> bool:
        """Whether so many records would take long, with one event each."""
        return records * self._seconds > LONG
