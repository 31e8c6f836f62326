"""The handlers of the demo: what a user of the receiver writes."""

import logging

from bridgecore import Event, on

log = logging.getLogger(__name__)


@on("*")
def write_down(event: Event) -> None:
    """Say what happened; yours would update a search index, another system, a cache…"""
    log.info("handled %s %s,%s: %s", event.event, event.model, event.record_id, event.payload)
