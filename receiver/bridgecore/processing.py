"""Works off the waiting events of records, in batches."""

import logging
import time
from collections import deque
from collections.abc import Sequence

from redis.exceptions import RedisError

from bridgecore.errors import QueueUnavailable
from bridgecore.handling import Handling
from bridgecore.messages import DEFAULT, Messages, queue_of
from bridgecore.pace import Pace
from bridgecore.settings import Settings
from bridgecore.storage import Storage
from bridgecore.storage.batches import Settled, Taken
from bridgecore.storage.figures import Tally
from bridgecore.storage.work import Batch, End

log = logging.getLogger(__name__)

#: seconds after which a task leaves the rest to another message: what has priority gets its turn,
#: and a worker that is told to end does not have to be killed
TURN = 2.0

#: seconds between two tries to settle a batch while Redis is away
PAUSE = 0.1


class _Turn:
    """The records of one message that have not had their turn yet, when it ends, and what was done
    until then."""

    def __init__(self, records: Sequence[str]) -> None:
        self.waiting = deque(records)
        self.tally = Tally()
        self._end = time.monotonic() + TURN

    def is_over(self) -> bool:
        return time.monotonic() > self._end

    def took(self, taken: Taken) -> Batch:
        """Those that were looked at are in the batch, are not due, or another worker has them."""
        for _ in range(taken.looked_at):
            self.waiting.popleft()
        return taken.batch


class Processing:
    """One round trip settles a batch and takes the next one."""

    def __init__(
        self, settings: Settings, storage: Storage, messages: Messages, handling: Handling
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._messages = messages
        self._handling = handling
        #: of this process
        self.pace = Pace()

    def process(self, source: str, records: Sequence[str], queue: str = DEFAULT) -> None:
        """Handle what is due of these records. A record that another worker has is left to it.

        Parameters:
            queue: for messages about what is left to others.
        """
        turn = _Turn(list(dict.fromkeys(records)))
        try:
            self._work_off(source, turn, queue)
        finally:
            if turn.tally.counts:
                self._storage.figures.add(source, turn.tally)
        if turn.waiting:
            self._messages.process(source, list(turn.waiting), queue)

    def _work_off(self, source: str, turn: _Turn, queue: str) -> None:
        if turn.is_over():
            return
        batch = turn.took(self._storage.batches.take(source, turn.waiting, self.pace.limit))
        while batch.works:
            began, ends = time.monotonic(), list[End]()
            try:
                self._handling.handle(batch, ends, turn.is_over)
            except BaseException:  # a handler ends this process
                self._storage.batches.settle(batch, ends)
                raise
            self.pace.took(time.monotonic() - began, len(ends))
            limit = 0 if turn.is_over() else self.pace.limit
            settled = self._settle(batch, ends, turn.waiting, limit)
            turn.waiting.extend(settled.left)
            batch = turn.took(settled.following)
            # The next batch has been taken, so messages that cannot be sent are left to others.
            self._follow_up(source, ends, settled, turn.tally)
            if self.pace.is_long(len(turn.waiting)):
                self._share(source, turn, queue)

    def _share(self, source: str, turn: _Turn, queue: str) -> None:
        """Leave half of what waits to another message; whoever has time takes it."""
        half = [turn.waiting.pop() for _ in range(len(turn.waiting) // 2)][::-1]
        try:
            if half:
                self._messages.process(source, half, queue)
        except QueueUnavailable:
            turn.waiting.extend(half)

    def _settle(
        self, batch: Batch, ends: Sequence[End], then: Sequence[str], limit: int
    ) -> Settled:
        """While Redis is away or takes no writes, nobody else can take the events either, so their
        ends are kept.

        Raises:
            RedisError: it is away for too long. Handlers may be called again.
        """
        give_up = time.monotonic() + self._settings.lease
        while True:
            try:
                return self._storage.batches.settle(batch, ends, then, limit)
            except RedisError as error:
                if time.monotonic() > give_up:
                    raise
                log.warning("batch not settled yet error=%s", type(error).__name__)
                time.sleep(PAUSE)

    def _follow_up(self, source: str, ends: Sequence[End], settled: Settled, tally: Tally) -> None:
        for record in settled.lost:
            log.warning("lease lost source=%s record=%s", source, record)
        try:
            for end in ends:
                work, event = end.work, end.work.event
                if work.lease.name in settled.lost:
                    continue
                if end.outcome == "failed":
                    self._messages.process(source, [event.record], queue_of(event), end.delay)
                else:
                    latency = (end.moment - work.accepted_at) / 1e6
                    tally.handled(end.outcome, end.seconds, latency)
            if settled.report:
                self._messages.acknowledge(source)
        except QueueUnavailable as error:  # `wake_stalled_records` sends these messages
            log.warning("messages not sent source=%s error=%s", source, error)
