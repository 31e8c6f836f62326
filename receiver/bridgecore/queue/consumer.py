"""The part of a Celery worker that holds its connection to the broker."""

from contextlib import suppress

from celery.worker.consumer import Consumer


class LastingConsumer(Consumer):
    """Outlives a Redis that goes away, also while the worker has a message in hand.

    kombu 5.7 gives up closing a channel that was waiting for messages when the connection broke.
    When it is closed once more, its transport is gone, and the AttributeError ends the worker.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery calls it when the connection breaks, before it connects again."""
        if connection := self.connection:
            for channel in tuple(getattr(connection.transport, "channels", None) or ()):
                # This ends the waiting, so that what Celery does next closes the channel wholly.
                with suppress(*connection.connection_errors, *connection.channel_errors):
                    channel.close()
        super().on_connection_error_after_connected(exc)
