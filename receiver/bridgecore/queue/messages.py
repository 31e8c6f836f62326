"""The Celery messages. Each says only where to look: what is to be done stands in Redis.

So a message may be lost, repeated or late without harm; `wake_stalled_records` sends
another one for what was left lying.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from bridgecore.config.redis_address import SOCKET_TIMEOUT
from bridgecore.errors import QueueUnavailable
from bridgecore.events import Event
from bridgecore.reasons import reason

HANDLE = "process_odoo_webhook_event"
PULL = "sync_odoo_webhook_events"
CONFIRM = "acknowledge_odoo_webhook_events"
WAKE = "wake_stalled_records"
FORGET = "forget_old_events"
CLEAN_AUDIT = "cleanup_old_audit_logs"
SYNC_DATA = "sync_data"

FEED, HIGH, DEFAULT, COPY = "odoo.feed", "odoo.high", "odoo.default", "odoo.copy"
QUEUES = (FEED, HIGH, DEFAULT, COPY)
#: What each worker serves, in this order. Calls to Odoo and events of high priority have
#: processes that nothing else occupies; the others help with high priority before they do theirs.
WORKERS = {"feed": (FEED,), "high": (HIGH,), "default": (HIGH, DEFAULT, COPY)}

#: what sending raises
_AWAY = (KombuError, RedisError, AMQPError, OSError)

#: records of one message; whoever gets it shares with others what would take long
RECORDS_PER_MESSAGE = 200


class Messages:
    """Sends them.

    Raises, from every method:
        QueueUnavailable: the broker is away.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def handle(
        self, source: str, records: Sequence[str], queue: str = DEFAULT, delay: float | None = None
    ) -> None:
        """Have the waiting events of these records handled, after `delay` seconds if given."""
        for chunk in _chunks(records, RECORDS_PER_MESSAGE):
            self._send(HANDLE, [source, chunk, queue], queue, countdown=delay)

    def confirm(self, source: str) -> None:
        """Have Odoo told what became of its events."""
        self._send(CONFIRM, [source], FEED)

    def pull(
        self,
        source: str | None,
        reconcile: bool = False,
        force: bool = False,
        expires: float | None = None,
    ) -> None:
        """Have this source's feed read, or every source's; not after `expires` seconds."""
        self._send(PULL, [source, reconcile, force], FEED, expires=expires)

    def problem(self) -> str | None:
        """What keeps messages from being sent, in words; None: nothing."""
        try:
            with self._app.connection_for_write() as connection:
                _ = connection.default_channel  # connects, and has the broker answer
        except _AWAY as error:
            return f"The broker cannot be reached ({reason(error)})."
        return None

    def _send(self, task: str, arguments: list[object], queue: str, **options: Any) -> None:
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                send = partial(
                    self._app.send_task,
                    task,
                    arguments,
                    queue=queue,
                    producer=producer,
                    retry=False,  # as below; being ready for it takes Celery a third of sending
                    ignore_result=True,
                    confirm_timeout=SOCKET_TIMEOUT,
                    argsrepr=str(arguments[0]),  # for logs; else Celery would describe every record
                    **options,
                )
                try:
                    send()
                except _AWAY as error:
                    # The connection may have gone stale. It is dropped: the pool would take leave
                    # of a broker that does not answer.
                    connection: Any = producer.connection
                    connection.collect()
                    producer.revive(connection)
                    if _timed_out(error):
                        raise
                    send()
        except _AWAY as error:
            raise QueueUnavailable(
                f"The broker cannot be reached ({reason(error)}): check BRIDGECORE_BROKER_URL, "
                "or without that BRIDGECORE_REDIS_URL."
            ) from error


def _timed_out(error: BaseException | None) -> bool:
    """Whether the broker was there but did not answer; another try would wait as long."""
    while error is not None:
        if isinstance(error, (TimeoutError, RedisTimeout)):
            return True
        error = error.__cause__ or error.__context__
    return False


def queue_of(event: Event) -> str:
    """Where the messages about an event go."""
    return HIGH if event.priority == "high" else DEFAULT


def _chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
