"""Works off the waiting events of records, in batches."""

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
from bridgecore.storage.batches import Claimed, Settled
from bridgecore.storage.claimed import Batch, Result
from bridgecore.storage.figures import Tally

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

    def took(self, claimed: Claimed) -> Batch:
        """Those that were looked at are in the batch, are not due, or another worker has them."""
        for _ in range(claimed.looked_at):
            self.waiting.popleft()
        return claimed.batch


class Runner:
    """One round trip settles a batch and takes the next one."""

    def __init__(
        self, settings: Settings, storage: Storage, messages: Messages, caller: Caller
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._messages = messages
        self._caller = caller
        #: of this process
        self.pace = Pace()

    def run(self, source: str, records: Sequence[str], queue: str = DEFAULT) -> None:
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
            self._messages.handle(source, list(turn.waiting), queue)

    def _work_off(self, source: str, turn: _Turn, queue: str) -> None:
        if turn.is_over():
            return
        batch = turn.took(self._storage.batches.claim(source, turn.waiting, self.pace.limit))
        while batch.events:
            began, results = time.monotonic(), list[Result]()
            try:
                self._caller.call(batch, results, turn.is_over)
            except BaseException:  # a handler ends this process
                self._storage.batches.settle(batch, results)
                raise
            self.pace.took(time.monotonic() - began, len(results))
            limit = 0 if turn.is_over() else self.pace.limit
            settled = self._settle(batch, results, turn.waiting, limit)
            turn.waiting.extend(settled.left)
            batch = turn.took(settled.following)
            # The next batch is claimed, so messages that cannot be sent are left to others.
            self._follow_up(source, results, settled, turn.tally)
            if self.pace.is_long(len(turn.waiting)):
                self._share(source, turn, queue)

    def _share(self, source: str, turn: _Turn, queue: str) -> None:
        """Leave half of what waits to another message; whoever has time takes it."""
        half = [turn.waiting.pop() for _ in range(len(turn.waiting) // 2)][::-1]
        try:
            if half:
                self._messages.handle(source, half, queue)
        except QueueUnavailable:
            turn.waiting.extend(half)

    def _settle(
        self, batch: Batch, results: Sequence[Result], then: Sequence[str], limit: int
    ) -> Settled:
        """While Redis is away or takes no writes, nobody else can take the events either, so their
        results are kept.

        Raises:
            RedisError: it is away for too long. Handlers may be called again.
        """
        give_up = time.monotonic() + self._settings.lease
        while True:
            try:
                return self._storage.batches.settle(batch, results, then, limit)
            except RedisError as error:
                if time.monotonic() > give_up:
                    raise
                log.warning("batch not settled yet error=%s", type(error).__name__)
                time.sleep(PAUSE)

    def _follow_up(
        self, source: str, results: Sequence[Result], settled: Settled, tally: Tally
    ) -> None:
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
                    tally.handled(result.outcome, result.seconds, latency)
            if settled.report:
                self._messages.confirm(source)
        except QueueUnavailable as error:  # `wake_stalled_records` sends these messages
            log.warning("messages not sent source=%s error=%s", source, error)
