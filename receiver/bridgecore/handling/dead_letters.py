"""Replays and discards dead letters for an operator, over HTTP or on the command line."""

from collections.abc import Sequence
from typing import Any

from bridgecore.queue.messages import Messages
from bridgecore.storage import Storage


class DeadLetterQueue:
    """Changes dead letters, sends the messages for that, and writes the audit log."""

    def __init__(self, storage: Storage, messages: Messages) -> None:
        self._storage = storage
        self._messages = messages

    def replay(
        self, source: str, keys: Sequence[str], by: str, token: str | None = None
    ) -> list[str]:
        """Queue dead letters again; return their keys. Keys of other events are passed over.

        Parameters:
            by: the actor, for the audit log.
            token: name of the token that the actor used over HTTP, for the audit log.

        Raises:
            QueueUnavailable: the events are queued, but no message was sent. They are handled
                when `wake_stalled_records` finds them.
        """
        replayed = self._storage.dead_letters.replay(source, keys)
        done = [key for key, _record in replayed]
        if done:
            self._note(by, "dead_letters.replayed", token, source=source, events=done)
            self._messages.handle(source, sorted({record for _key, record in replayed}))
        return done

    def discard(
        self, source: str, keys: Sequence[str], by: str, token: str | None = None
    ) -> list[str]:
        """Discard dead letters; return their keys. Keys of other events are passed over.

        Parameters:
            by: the actor, for the audit log.
            token: name of the token that the actor used over HTTP, for the audit log.
        """
        done = self._storage.dead_letters.discard(source, keys)
        if done:
            self._note(by, "dead_letters.discarded", token, source=source, events=done)
        return done

    def _note(self, by: str, action: str, token: str | None, **facts: Any) -> None:
        used = {"token": token} if token else {}
        self._storage.audit.note(by, action, **used, **facts)
