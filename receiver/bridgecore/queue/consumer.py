"""Keeps a Celery worker alive when its connection to the broker breaks."""

from contextlib import suppress

from celery.worker.consumer import Consumer


class LastingConsumer(Consumer):
    """A consumer that survives a Redis that goes away, even while the worker handles a message.

    If the connection breaks while a channel waits for messages, kombu 5.7 closes that channel only
    halfway. When Celery closes it again, the channel has no transport any more, and an
    AttributeError ends the worker.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Close all channels. Celery calls this after a broken connection, before it reconnects."""
        if connection := self.connection:
            for channel in tuple(getattr(connection.transport, "channels", None) or ()):
                # This ends the waiting, so that Celery can then close the channel completely.
                with suppress(*connection.connection_errors, *connection.channel_errors):
                    channel.close()
        super().on_connection_error_after_connected(exc)
