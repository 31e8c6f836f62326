"""The Celery tasks: each is one call of the part that does the work."""

import logging
from contextlib import suppress
from typing import Any

from celery import shared_task

from bridgecore.copying import Result
from bridgecore.errors import FeedError, QueueFull, QueueUnavailable
from bridgecore.queue import messages
from bridgecore.runtime import runtime

log = logging.getLogger(__name__)

#: records that are woken per source and run
WAKE_LIMIT = 1000


@shared_task(name=messages.HANDLE)
def process_odoo_webhook_event(
    source: str, records: list[str], queue: str = messages.DEFAULT
) -> None:
    """Handle the waiting events of one or many records."""
    runtime().runner.run(source, records, queue)


@shared_task(name=messages.PULL)
def sync_odoo_webhook_events(
    source: str | None = None, reconcile: bool = False, force: bool = False
) -> None:
    """Pull a source's feed; without a source, have each one's pulled by a task of its own.

    Parameters:
        force: also from an Odoo that is left alone because it failed.
    """
    parts = runtime()
    if source is None:
        for known in parts.settings.sources:
            # When workers cannot keep up, pulls must not pile up.
            parts.messages.pull(known.id, reconcile, expires=parts.settings.pull_interval)
        return
    if not force and parts.odoo_health.is_away(source):
        return
    try:
        with parts.odoo_health.watch(source):
            parts.pulling.pull(source, reconcile)
    except FeedError:
        pass  # the next run of the schedule tries again
    except QueueFull as error:
        log.warning("pull stopped source=%s error=%s", source, error)


@shared_task(name=messages.CONFIRM)
def acknowledge_odoo_webhook_events(source: str) -> None:
    """Tell Odoo which of its events were handled, and which were given up."""
    parts = runtime()
    if parts.odoo_health.is_away(source):
        return
    # The next wake-up tries again.
    with suppress(FeedError, QueueUnavailable), parts.odoo_health.watch(source):
        parts.confirming.confirm(source)


@shared_task(name=messages.WAKE)
def wake_stalled_records() -> None:
    """Send again what was lost: messages of records that wait, and of outcomes to be told."""
    parts = runtime()
    for source in parts.settings.sources_by_id:
        stalled = parts.storage.batches.stalled(source, WAKE_LIMIT)
        if stalled:
            log.info("woken source=%s records=%d", source, len(stalled))
            parts.messages.handle(source, stalled)
        if parts.storage.reports.first(source, 1):
            parts.messages.confirm(source)


@shared_task(name=messages.FORGET)
def forget_old_events() -> None:
    """Keep what is stored within its bounds."""
    parts = runtime()
    for source in parts.settings.sources_by_id:
        forgotten = parts.storage.retention.forget(source)
        surplus = parts.storage.dead_letters.surplus(source)
        if discarded := parts.storage.dead_letters.discard(source, surplus):
            parts.storage.audit.note(
                "receiver", "dead_letters.expired", source=source, events=discarded
            )
        if forgotten or discarded:
            log.info("forgotten source=%s entries=%d dead=%d", source, forgotten, len(discarded))


@shared_task(name=messages.CLEAN_AUDIT)
def cleanup_old_audit_logs(days: float | None = None) -> int:
    """Drop audit records that are older than so many days; how many."""
    parts = runtime()
    seconds = parts.settings.audit_retention if days is None else days * 86400
    dropped = parts.storage.audit.drop_older_than(seconds)
    log.info("audit records dropped=%d", dropped)
    return dropped


@shared_task(name=messages.SYNC_DATA, ignore_result=False)
def sync_data(
    source: str,
    target: str,
    model: str,
    filters: list[Any] | None = None,
    bidirectional: bool = False,
    fields: list[str] | None = None,
) -> Result:
    """Copy records of a model from one configured system to another.

    A second run updates what the first one made. With `bidirectional` the other direction
    follows in the same call; its result stands under `reverse`.

    Parameters:
        source, target: names of BRIDGECORE_SYSTEMS.
        filters: an Odoo domain.
        fields: names; by default all that can be copied.
    """
    parts = runtime()
    result = parts.copying(source, target, model).run(filters or [], bidirectional, fields)
    parts.storage.audit.note("receiver", "data.synchronised", **_counts(result))
    return result


def _counts(result: Result) -> dict[str, Any]:
    counts: dict[str, Any] = {k: v for k, v in result.items() if k not in ("messages", "reverse")}
    if "reverse" in result:
        counts["reverse"] = _counts(result["reverse"])
    return counts
