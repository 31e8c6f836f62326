"""Leaves an Odoo alone for a while that does not answer."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bridgecore import backoff
from bridgecore.config.settings import Settings
from bridgecore.errors import FeedError
from bridgecore.storage import Storage

log = logging.getLogger(__name__)


class OdooHealth:
    """What all processes know of each source's Odoo."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage

    def is_away(self, source: str) -> bool:
        """Whether it failed, and the time to try it again has not come."""
        return self._storage.feeds.health(source).away_until > self._storage.now()

    @contextmanager
    def watch(self, source: str) -> Iterator[None]:
        """Note how the calls of the block went; the pauses between failures grow."""
        try:
            yield
        except FeedError as error:
            failures = self._storage.feeds.failed(source, str(error))
            pause = backoff.delay(
                failures, self._settings.pull_interval / 2, self._settings.feed_backoff_max
            )
            self._storage.feeds.leave_alone(source, pause)
            log.warning(
                "odoo failed source=%s failures=%d pause=%.1f error=%s",
                source, failures, pause, error,
            )  # fmt: skip
            raise
        self._storage.feeds.answered(source)
