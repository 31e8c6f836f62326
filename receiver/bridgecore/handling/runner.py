"""Handles the queued events of records, batch by batch."""

import logging
import time
from collections import deque
from collections.abc import Sequence

from redis.exceptions import RedisError

from bridgecore.config.settings import Settings
from bridgecore.errors import QueueUnavailable
from bridgecore.handling.calling import Caller
from bridgecore.handling.pace import Pace
from bridgecore.queue.messages import DEFAULT, Messages, queue_of
from bridgecore.storage import Storage
from bridgecore.storage.batches import Claim, Settled
from bridgecore.storage.claimed_events import Batch, Result
from bridgecore.storage.figures import Tally

log = logging.getLogger(__name__)

#: Seconds after which a task sends a message for the remaining records and ends. So events of high
#: priority are not held up, and a worker can stop in time.
TURN = 2.0

#: seconds between two tries to settle a batch while Redis is away
PAUSE = 0.1


class _Turn:
    """The work of one message, which is limited in time."""

    def __init__(self, records: Sequence[str]) -> None:
        #: records whose events have to be claimed
        self.waiting = deque(records)
        #: counts of the results
        self.tally = Tally()
        self._end = time.monotonic() + TURN

    def is_over(self) -> bool:
        """Return whether the time has passed."""
        return time.monotonic() > self._end

    def batch_of(self, claim: Claim) -> Batch:
        """Return the batch of a claim, and remove the records that the claim has looked at.

        Such a record is in the batch, is not due, or is leased by another worker.
        """
        for _ in range(claim.examined):
            self.waiting.popleft()
        return claim.batch


class Runner:
    """Claims batches, has their events handled, and settles them.

    One round trip to Redis settles a batch and claims the next one.
    """

    def __init__(
        self, settings: Settings, storage: Storage, messages: Messages, caller: Caller
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._messages = messages
        self._caller = caller
        #: the pace of this process
        self.pace = Pace()

    def run(self, source: str, records: Sequence[str], queue: str = DEFAULT) -> None:
        """Handle the due events of these records, except records that another worker has.

        Parameters:
            queue: for messages that name records which are left to other workers.
        """
        turn = _Turn(list(dict.fromkeys(records)))
        try:
            self._handle(source, turn, queue)
        finally:
            self._count(source, turn.tally)
        if turn.waiting:
            self._messages.handle(source, list(turn.waiting), queue)

    def _count(self, source: str, tally: Tally) -> None:
        """Add to the figures. They are for monitoring only, so a full Redis is no error."""
        try:
            if tally.counts:
                self._storage.figures.add(source, tally)
        except RedisError as error:
            log.warning("figures not written source=%s error=%s", source, type(error).__name__)

    def _handle(self, source: str, turn: _Turn, queue: str) -> None:
        if turn.is_over():
            return
        batch = turn.batch_of(self._storage.batches.claim(source, turn.waiting, self.pace.limit))
        while batch.events:
            began, results = time.monotonic(), list[Result]()
            try:
                self._caller.call(batch, results, turn.is_over)
            except BaseException:  # a handler ends the process
                self._storage.batches.settle(batch, results)
                raise
            self.pace.note_batch(time.monotonic() - began, len(results))
            limit = 0 if turn.is_over() else self.pace.limit
            settled = self._settle(batch, results, turn.waiting, limit)
            turn.waiting.extend(settled.still_due)
            batch = turn.batch_of(settled.next_claim)
            # The next batch is already claimed, so this must not raise if the broker is away.
            self._follow_up(source, results, settled, turn.tally)
            if self.pace.is_long(len(turn.waiting)):
                self._share(source, turn, queue)

    def _share(self, source: str, turn: _Turn, queue: str) -> None:
        """Send a message for half of the waiting records, so that a free worker handles them."""
        half = [turn.waiting.pop() for _ in range(len(turn.waiting) // 2)][::-1]
        try:
            if half:
                self._messages.handle(source, half, queue)
        except QueueUnavailable:
            turn.waiting.extend(half)

    def _settle(
        self, batch: Batch, results: Sequence[Result], next_records: Sequence[str], limit: int
    ) -> Settled:
        """Settle a batch; try again while Redis is away or refuses writes.

        Meanwhile no other worker can claim the events, so the results remain valid.

        Raises:
            RedisError: Redis was away for a lease's period. Other workers may call the handlers
                again.
        """
        deadline = time.monotonic() + self._settings.lease
        while True:
            try:
                return self._storage.batches.settle(batch, results, next_records, limit)
            except RedisError as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("batch not settled yet error=%s", type(error).__name__)
                time.sleep(PAUSE)

    def _follow_up(
        self, source: str, results: Sequence[Result], settled: Settled, tally: Tally
    ) -> None:
        """Count the results of a settled batch, and send the messages that they need."""
        for record in settled.lost:
            log.warning("lease lost source=%s record=%s", source, record)
        try:
            for result in results:
                claimed, event = result.claimed, result.claimed.event
                if claimed.lease.name in settled.lost:
                    continue
                if result.outcome == "failed":
                    self._messages.handle(source, [event.record], queue_of(event), result.delay)
                else:
                    latency = (result.moment - claimed.accepted_at) / 1e6
                    tally.count(result.outcome, result.seconds, latency)
            if settled.starts_reports:
                self._messages.confirm(source)
        except QueueUnavailable as error:  # `wake_stalled_records` sends them later
            log.warning("messages not sent source=%s error=%s", source, error)
