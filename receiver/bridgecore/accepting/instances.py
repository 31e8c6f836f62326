"""Notices two databases that claim one source.

A copy of an Odoo database has the `database.uuid` and the secrets of its original, so its pushes
are valid. Only the *instance* differs, which names the place of a database. Odoo sends it with each
push and each page of the feed (docs/protocol.md).
"""

import asyncio
import logging
import re
import time
from typing import Any

from redis.exceptions import RedisError

from bridgecore.storage import Storage

log = logging.getLogger(__name__)

#: the header of a push that names the instance
HEADER = "x-odoo-instance"
#: instances of one source that are kept until the next report; a sender may send any text
_MOST = 16
#: {source: {instance: monotonic time at which it was heard last}}
_Heard = dict[str, dict[str, float]]
_INSTANCE = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Instances:
    """Hears instances, and warns if one comes back that another one had replaced."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._heard: _Heard = {}

    def hear(self, source: str, instance: str | None) -> None:
        """Keep an instance for the next report: a push must not wait for Redis once more.

        A push without an instance says nothing: an older addon sent it, or another sender. Not safe
        to use from several threads: call it in the event loop.
        """
        if not instance:
            return
        heard = self._heard.setdefault(source, {})
        if instance in heard or (len(heard) < _MOST and _INSTANCE.fullmatch(instance)):
            heard[instance] = time.monotonic()

    async def report(self) -> None:
        """Note what was heard since the last report. If Redis is away, the next report does it."""
        heard, self._heard = self._heard, {}
        for source, instance, moment in await asyncio.to_thread(self._note_all, heard):
            self._heard.setdefault(source, {}).setdefault(instance, moment)

    def _note_all(self, heard: _Heard) -> list[tuple[str, str, float]]:
        """Note instances in the order in which they were heard; return those left undone."""
        undone = []
        for source, moments in heard.items():
            for instance, moment in sorted(moments.items(), key=lambda item: item[1]):
                try:
                    self._note(source, instance, time.monotonic() - moment)
                except RedisError:
                    undone.append((source, instance, moment))
        return undone

    def note(self, source: str, instance: Any) -> None:
        """Note an instance that was heard just now, if it is one."""
        if isinstance(instance, str) and _INSTANCE.fullmatch(instance):
            self._note(source, instance, 0.0)

    def _note(self, source: str, instance: str, age: float) -> None:
        heard = self._storage.instances.note(source, instance, age)
        if heard.meaning == "moved":
            log.info("database moved source=%s before=%s now=%s", source, heard.before, instance)
        elif heard.meaning == "back":
            log.log(
                logging.WARNING if heard.must_warn else logging.INFO,
                "two databases claim one source source=%s instance=%s other=%s",
                source,
                instance,
                heard.before,
            )
