"""Keeps a Celery worker alive when its broker goes away or is full."""

import logging
import time
from contextlib import suppress
from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError

log = logging.getLogger(__name__)

#: seconds between two looks whether a full Redis takes messages again
_PAUSE = 1.0


class LastingConsumer(Consumer):
    """A consumer that survives a Redis that goes away, even while the worker handles a message.

    If the connection breaks while a channel waits for messages, kombu 5.7 closes that channel only
    halfway. When Celery closes it again, the channel has no transport any more, and an
    AttributeError ends the worker.

    It also survives a full Redis. To take a message, kombu writes, and Celery would end the worker
    over the error, so that nothing could make the Redis less full. The worker pauses instead. A
    message that was under way is lost; `wake_stalled_records` sends another one.
    """

    #: errors after which Celery connects again
    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.connection_errors = (*self.connection_errors, OutOfMemoryError, ReadOnlyError)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Celery calls this when it could not connect, before it tries again."""
        if isinstance(exc, OutOfMemoryError):
            self._wait_for_memory()
        super().on_connection_error_before_connected(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Close all channels. Celery calls this after a broken connection, before it reconnects."""
        if connection := self.connection:
            for channel in tuple(getattr(connection.transport, "channels", None) or ()):
                # This ends the waiting, so that Celery can then close the channel completely.
                with suppress(*self.connection_errors, *connection.channel_errors):
                    channel.close()
        if isinstance(exc, OutOfMemoryError):
            self._wait_for_memory()
        super().on_connection_error_after_connected(exc)

    def _wait_for_memory(self) -> None:
        """Return when Redis takes messages again.

        Raises:
            WorkerShutdown, WorkerTerminate: the worker has to end meanwhile.
        """
        log.error("Redis is full, so the worker pauses: raise its maxmemory, or free memory")
        app: Any = self.app  # an `Application`
        while not self._takes_messages():
            maybe_shutdown()
            with suppress(RedisError):
                app.make_room()
            time.sleep(_PAUSE)
        log.info("Redis has memory again, the worker goes on")

    def _takes_messages(self) -> bool:
        """Return whether the broker can be written to, or cannot be asked: then Celery waits."""
        try:
            with self.app.connection_for_write() as connection:
                channel: Any = connection.default_channel
                channel.client.set("bridgecore:probe", 1, px=1)  # it expires at once
        except OutOfMemoryError:
            return False
        except RedisError:
            return True
        except self.connection_errors:
            return True
        return True
