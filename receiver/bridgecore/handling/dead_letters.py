"""Replaying and discarding by hand, over HTTP or on the command line."""

from collections.abc import Sequence

from bridgecore.queue.messages import Messages
from bridgecore.storage import Storage


class DeadLetterQueue:
    """Does it, sends the messages that it needs, and writes it down."""

    def __init__(self, storage: Storage, messages: Messages) -> None:
        self._storage = storage
        self._messages = messages

    def replay(self, source: str, keys: Sequence[str], by: str) -> list[str]:
        """Queue them again; the keys of those that were dead letters.

        Raises:
            QueueUnavailable: they are queued, but are handled only when they are found waiting.
        """
        replayed = self._storage.dead_letters.replay(source, keys)
        done = [key for key, _record in replayed]
        if done:
            self._storage.audit.note(by, "dead_letters.replayed", source=source, events=done)
            self._messages.handle(source, sorted({record for _key, record in replayed}))
        return done

    def discard(self, source: str, keys: Sequence[str], by: str) -> list[str]:
        """Take them off the list; the keys of those that were on it."""
        done = self._storage.dead_letters.discard(source, keys)
        if done:
            self._storage.audit.note(by, "dead_letters.discarded", source=source, events=done)
        return done
