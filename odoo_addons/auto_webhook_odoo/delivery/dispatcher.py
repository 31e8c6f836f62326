"""Claim, send, record: each step on its own, so that no transaction is open during HTTP."""

import dataclasses
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2.errors
import requests

from odoo import SUPERUSER_ID, api

from ..wire.event import event_json, message_id
from .transport import post

_logger = logging.getLogger(__name__)

#: Seconds that a claim may be worked on; its lease lasts for these plus the endpoint's timeout.
LEASE_MARGIN = 30

_ENDPOINTS_AT_ONCE = 4
_TRIES = 5


@dataclasses.dataclass(frozen=True)
class Claim:
    """Deliveries of one subscriber that this process has leased."""

    subscriber_id: int
    endpoint: object
    source: str
    #: ``(delivery id, event as update.webhook._wire_rows returns it)``, in order
    deliveries: list


def deliver_due(registry):
    """Send all deliveries of a database that are due and that no other process is sending."""
    while claims := _in_transaction(registry, lambda env: env["webhook.delivery"]._claim()):
        with ThreadPoolExecutor(_ENDPOINTS_AT_ONCE) as pool:
            results = zip(claims, pool.map(_send, claims), strict=True)
        for claim, outcomes in results:
            try:
                _in_transaction(registry, _record, claim, outcomes)
            except Exception:  # the outcomes of other endpoints must not be lost with it
                _logger.exception("Deliveries of subscriber %s not recorded", claim.subscriber_id)


def _record(env, claim, outcomes):
    env["webhook.delivery"]._record(claim, outcomes)


def _send(claim):
    """Send the deliveries of a claim one after the other.

    Stops when the endpoint fails (the next ones would fail too) and when the lease is about to
    end (another process may take them over then).

    :return: ``{delivery id: Outcome}`` of those that were attempted
    """
    outcomes = {}
    stop_at = time.monotonic() + LEASE_MARGIN
    with requests.Session() as session:
        for delivery_id, event in claim.deliveries:
            body = event_json(event, source=claim.source).encode()
            outcome = post(session, claim.endpoint, message_id(claim.source, event), body)
            outcomes[delivery_id] = outcome
            if not outcome.delivered:
                _logger.info("Event %s: %s", event["id"], outcome.error)
            if outcome.endpoint_failed or time.monotonic() > stop_at:
                break
    return outcomes


def _in_transaction(registry, function, *args):
    """Call ``function(env, *args)`` in a transaction of its own, and again if it collides.

    Collisions are normal here: under REPEATABLE READ a row that another process has claimed or
    recorded since our snapshot is an error. There is nothing to wait for, so no pause between.

    :raises psycopg2.errors.SerializationFailure: if it keeps colliding
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            with registry.cursor() as cr:
                return function(api.Environment(cr, SUPERUSER_ID, {}), *args)
        except psycopg2.errors.SerializationFailure:
            if not tries_left:
                raise
    return None
