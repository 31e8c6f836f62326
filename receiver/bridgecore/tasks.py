"""The Celery tasks: each is one call of the part that does the work."""

import logging

from celery import shared_task

from bridgecore import messages
from bridgecore.errors import FeedError, QueueFull
from bridgecore.runtime import runtime

log = logging.getLogger(__name__)

#: records that are woken per source and run
WAKE_LIMIT = 1000


@shared_task(name=messages.PROCESS)
def process_odoo_webhook_event(source: str, records: list[str]) -> None:
    """Handle the waiting events of one or many records."""
    runtime().processing.process(source, records)


@shared_task(name=messages.SYNC)
def sync_odoo_webhook_events(source: str | None = None, reconcile: bool = False) -> None:
    """Pull a source's feed; without a source, have each one's pulled by a task of its own."""
    parts = runtime()
    if source is None:
        for known in parts.settings.sources:
            # When workers cannot keep up, pulls must not pile up.
            parts.messages.sync(known.id, reconcile, expires=parts.settings.pull_interval)
        return
    try:
        parts.pulling.sync(source, reconcile)
    except (FeedError, QueueFull) as error:
        # The next run of the schedule tries again.
        log.warning("pull stopped source=%s error=%s", source, error)


@shared_task(name=messages.ACKNOWLEDGE)
def acknowledge_odoo_webhook_events(source: str) -> None:
    """Tell Odoo which of its events were handled, and which were given up."""
    try:
        runtime().acknowledging.acknowledge(source)
    except FeedError as error:
        # The next wake-up tries again.
        log.warning("not acknowledged source=%s error=%s", source, error)


@shared_task(name=messages.WAKE)
def wake_stalled_records() -> None:
    """Send again what was lost: messages of records that wait, and of outcomes to be told."""
    parts = runtime()
    for source in parts.settings.sources_by_id:
        stalled = parts.storage.stalled(source, WAKE_LIMIT)
        if stalled:
            log.info("woken source=%s records=%d", source, len(stalled))
            parts.messages.process(source, stalled)
        if parts.storage.reports(source, 1):
            parts.messages.acknowledge(source)
