"""The Celery tasks. Each only calls the part that does the work."""

import logging
from contextlib import suppress
from typing import Any

from celery import shared_task
from redis.exceptions import OutOfMemoryError

from bridgecore.copying import Result
from bridgecore.errors import FeedError, QueueFull, QueueUnavailable
from bridgecore.queue import messages
from bridgecore.runtime import runtime

log = logging.getLogger(__name__)

#: most records of a source that one run of the task wakes
WAKE_LIMIT = 1000


@shared_task(name=messages.HANDLE)
def process_odoo_webhook_event(
    source: str, records: list[str], queue: str = messages.DEFAULT
) -> None:
    """Handle the waiting events of these records."""
    runtime().runner.run(source, records, queue)


@shared_task(name=messages.PULL)
def sync_odoo_webhook_events(
    source: str | None = None, reconcile: bool = False, force: bool = False
) -> None:
    """Pull a source. If `source` is None, send one message for each source instead.

    Parameters:
        reconcile: pull all unconfirmed events, from the beginning of the feed.
        force: pull even if the calls to this Odoo have failed and it is being left alone.
    """
    parts = runtime()
    if source is None:
        for known in parts.settings.sources:
            # If workers cannot keep up, these messages must not pile up in the queue.
            parts.messages.pull(known.id, reconcile, expires=parts.settings.pull_interval)
        return
    if source not in parts.settings.sources_by_id:  # it was taken out of the settings
        return
    if not force and parts.odoo_health.is_away(source):
        return
    try:
        with parts.odoo_health.watch(source):
            parts.pulling.pull(source, reconcile)
    except FeedError:
        pass  # beat starts the next try
    except (QueueFull, QueueUnavailable, OutOfMemoryError) as error:
        log.warning("pull stopped source=%s error=%s", source, error)


@shared_task(name=messages.CONFIRM)
def acknowledge_odoo_webhook_events(source: str) -> None:
    """Send the waiting reports of a source to Odoo: which events were handled or given up."""
    parts = runtime()
    if parts.odoo_health.is_away(source):
        return
    # After an error, `wake_stalled_records` starts the next try.
    with suppress(FeedError, QueueUnavailable), parts.odoo_health.watch(source):
        parts.confirming.confirm(source)


@shared_task(name=messages.WAKE)
def wake_stalled_records() -> None:
    """Send messages again that may have been lost: for stalled records, and for waiting reports."""
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
    """Delete old events and surplus dead letters, as the settings say."""
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
    """Delete audit entries that are older than `days`, and return how many there were.

    If `days` is None, the age is BRIDGECORE_AUDIT_RETENTION.
    """
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

    A second run updates the copies that the first run made.

    Parameters:
        source, target: names of systems in BRIDGECORE_SYSTEMS.
        filters: an Odoo domain; by default all records are copied.
        bidirectional: then also copy from target to source; the result of that is in `reverse`.
        fields: names of fields; by default all that can be copied.

    Raises:
        UnknownSystem: BRIDGECORE_SYSTEMS has no such system.
        OdooUnavailable, OdooRefused: the records copied so far stay.
    """
    parts = runtime()
    result = parts.copying(source, target, model).run(filters or [], bidirectional, fields)
    parts.storage.audit.note("receiver", "data.synchronised", **_counts(result))
    return result


def _counts(result: Result) -> dict[str, Any]:
    texts = ("messages", "notes", "reverse")
    counts: dict[str, Any] = {k: v for k, v in result.items() if k not in texts}
    if "reverse" in result:
        counts["reverse"] = _counts(result["reverse"])
    return counts
