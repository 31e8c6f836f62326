"""Sends the Celery messages. A message only names records; their events are in Redis.

So a message may be lost, repeated or late without harm. The task `wake_stalled_records` finds the
records whose message was lost, and sends another one.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from bridgecore.config.timeouts import SOCKET_TIMEOUT
from bridgecore.errors import QueueUnavailable
from bridgecore.events import Event
from bridgecore.reasons import reason

# names of the Celery tasks
HANDLE = "process_odoo_webhook_event"
PULL = "sync_odoo_webhook_events"
CONFIRM = "acknowledge_odoo_webhook_events"
WAKE = "wake_stalled_records"
FORGET = "forget_old_events"
CLEAN_AUDIT = "cleanup_old_audit_logs"
SYNC_DATA = "sync_data"

# names of the queues
FEED, HIGH, DEFAULT, COPY = "odoo.feed", "odoo.high", "odoo.default", "odoo.copy"
QUEUES = (FEED, HIGH, DEFAULT, COPY)
#: The queues that each worker serves, in this order. Calls to Odoo and events of high priority have
#: processes of their own. The worker `default` serves high priority, too, and serves it first.
WORKERS = {"feed": (FEED,), "high": (HIGH,), "default": (HIGH, DEFAULT, COPY)}

#: errors that mean that the broker cannot be reached
_BROKER_ERRORS = (KombuError, RedisError, AMQPError, OSError)

#: most records in one message; a worker that gets slow ones shares them with other workers
RECORDS_PER_MESSAGE = 200


class Messages:
    """Sends messages to the workers.

    Raises, from every method but `problem`:
        QueueUnavailable: the broker cannot be reached.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def handle(
        self, source: str, records: Sequence[str], queue: str = DEFAULT, delay: float | None = None
    ) -> None:
        """Have a worker handle the waiting events of these records.

        Parameters:
            delay: seconds to wait before that; None for none.
        """
        for chunk in _chunks(records, RECORDS_PER_MESSAGE):
            self._send(HANDLE, [source, chunk, queue], queue, countdown=delay)

    def confirm(self, source: str) -> None:
        """Have a worker send the waiting reports of a source to Odoo."""
        self._send(CONFIRM, [source], FEED)

    def pull(
        self,
        source: str | None,
        reconcile: bool = False,
        force: bool = False,
        expires: float | None = None,
    ) -> None:
        """Have a worker pull this source, or all sources if it is None.

        Parameters:
            reconcile: pull all unconfirmed events, from the beginning of the feed.
            force: pull even if the calls to this Odoo have failed and it is being left alone.
            expires: seconds after which no worker follows the message any more.
        """
        self._send(PULL, [source, reconcile, force], FEED, expires=expires)

    def problem(self) -> str | None:
        """Return a text that says why messages cannot be sent; None if they can be sent."""
        try:
            with self._app.connection_for_write() as connection:
                _ = connection.default_channel  # connects, and waits for an answer of the broker
        except _BROKER_ERRORS as error:
            return _unreachable(error)
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
                    # Preparing Celery's own retry would take a third of the sending time.
                    retry=False,
                    ignore_result=True,
                    confirm_timeout=SOCKET_TIMEOUT,
                    argsrepr=str(arguments[0]),  # for logs: the source only, and not all records
                    **options,
                )
                try:
                    send()
                except _BROKER_ERRORS as error:
                    # The connection may be stale, so drop it. Returning it to the pool would be
                    # wrong: the pool would try to close it properly, and wait for the broker.
                    connection: Any = producer.connection
                    connection.collect()
                    producer.revive(connection)
                    if _timed_out(error):
                        raise
                    send()
        except _BROKER_ERRORS as error:
            raise QueueUnavailable(_unreachable(error)) from error


def _unreachable(error: BaseException) -> str:
    return (
        f"The broker cannot be reached ({reason(error)}): check BRIDGECORE_BROKER_URL or, if that "
        "is not set, BRIDGECORE_REDIS_URL."
    )


def _timed_out(error: BaseException | None) -> bool:
    """Return whether the broker did not answer in time. Another try would wait as long again."""
    while error is not None:
        if isinstance(error, (TimeoutError, RedisTimeout)):
            return True
        error = error.__cause__ or error.__context__
    return False


def queue_of(event: Event) -> str:
    """Return the queue for the messages about this event."""
    return HIGH if event.priority == "high" else DEFAULT


def _chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
