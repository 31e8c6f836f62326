"""Pauses the calls of an Odoo that fails."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bridgecore import backoff
from bridgecore.config.settings import Settings
from bridgecore.errors import FeedError
from bridgecore.storage import Storage

log = logging.getLogger(__name__)


class OdooHealth:
    """Knows whether each Odoo answers. All processes share this knowledge in Redis."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage

    def is_away(self, source: str) -> bool:
        """Return whether calls of this Odoo pause after a failure."""
        return self._storage.feeds.health(source).away_until > self._storage.now()

    @contextmanager
    def watch(self, source: str) -> Iterator[None]:
        """Watch calls of Odoo in a block. After a FeedError, begin a pause.

        Each further failure in a row makes the pause longer.
        """
        try:
            yield
        except FeedError as error:
            failures = self._storage.feeds.note_failure(source, str(error))
            pause = backoff.delay(
                failures, self._settings.pull_interval / 2, self._settings.feed_backoff_max
            )
            self._storage.feeds.pause(source, pause)
            log.warning(
                "odoo failed source=%s failures=%d pause=%.1f error=%s",
                source, failures, pause, error,
            )  # fmt: skip
            raise
        self._storage.feeds.note_success(source)
