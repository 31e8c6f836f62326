"""Claims, sends and records deliveries, in separate steps: no transaction is open during HTTP."""

import collections
import dataclasses
import datetime
import time
from typing import NamedTuple

from ..wire.message import batch, batch_message_id, extended, message_id
from .transport import post

#: Seconds that a process may work on a claim. The lease lasts that long plus one attempt.
LEASE_MARGIN = 30

#: Bytes of events in one batch; a single event may be larger.
_MAX_BATCH = 1024 * 1024


class Leased(NamedTuple):
    """A delivery that this process has claimed."""

    id: int
    attempts: int
    replayed: bool
    event_id: int
    model: str
    record_id: int
    #: ``wire.event.EVENT_NAME``
    event_name: str
    #: the event as JSON text
    event: str
    leased_until: datetime.datetime
    #: the delivery must wait for an earlier one of its record after all, and is not leased
    held: bool
    #: the receiver has confirmed the event through the feed; the delivery is cancelled, and not
    #: leased, and ``event`` is None
    confirmed: bool


@dataclasses.dataclass(frozen=True)
class Claim:
    """The deliveries of one subscriber that this process has claimed together."""

    subscriber_id: int
    #: seconds until more may be due, None if none waits; set only if nothing was claimed
    wait: float | None = None
    endpoint: object = None
    source: str = ""
    #: ``Leased``, in the order of their events
    deliveries: list = dataclasses.field(default_factory=list)


def deliver(database, subscriber_id, connections_for, is_over=lambda: False):
    """Send all deliveries to a subscriber that are due and that no other process is sending.

    :param database: ``database.Database``
    :param connections_for: ``connections.open_connections``, or a function that caches its results
    :param is_over: a function; once it returns True, no further message is begun
    :return: seconds until more deliveries are due, or None if none waits or ``is_over``
    """
    settled = ()
    while True:
        started = time.monotonic()
        with database.transaction(each_statement=True) as env:
            env["webhook.delivery"]._wake_later(settled)
            claim = Claim(subscriber_id)
            if not is_over():
                claim = env["webhook.delivery"]._claim(subscriber_id)
        if not claim.deliveries:
            return claim.wait
        endpoint = claim.endpoint
        connections = connections_for(endpoint.allow_private_network, endpoint.verify_ssl)
        outcomes = send(connections, claim, started + LEASE_MARGIN, is_over)
        with database.transaction() as env:
            settled = env["webhook.delivery"]._record(claim, outcomes)


def send(connections, claim, stop_at, is_over):
    """Send the deliveries of a claim, in as few messages as possible.

    A refused batch is sent again event by event, and only these attempts count: one event that the
    endpoint refuses must not use up the attempts of the others. A delivery that has failed before
    is sent alone from the start.

    Sending stops when the endpoint fails, because the next messages would fail too. It also stops
    when the lease is about to end, because another process may claim the deliveries then.

    :param stop_at: moment (``time.monotonic``) after which no message may be begun
    :param is_over: as for ``deliver``
    :return: ``{delivery id: Outcome}`` of the deliveries that were attempted
    """
    outcomes, failing_records = {}, set()
    messages = collections.deque(_messages(claim))
    while messages and time.monotonic() < stop_at and not is_over():
        message = [d for d in messages.popleft() if _record_of(d) not in failing_records]
        if not message:
            continue
        outcome = post(connections, claim.endpoint, *_request(claim.source, message))
        if len(message) > 1 and not (outcome.delivered or outcome.endpoint_failed):
            messages.extendleft([delivery] for delivery in reversed(message))
            continue
        outcomes |= {delivery.id: outcome for delivery in message}
        if outcome.endpoint_failed:
            break
        if not outcome.delivered:
            failing_records.update(map(_record_of, message))
    return outcomes


def _messages(claim):
    """Yield lists of deliveries that are sent together."""
    together, size = [], 0
    for delivery in claim.deliveries:
        if delivery.attempts:
            yield [delivery]
    for delivery in claim.deliveries:
        if delivery.attempts:
            continue
        if len(together) == claim.endpoint.batch_size or (
            together and size + len(delivery.event) > _MAX_BATCH
        ):
            yield together
            together, size = [], 0
        together.append(delivery)
        size += len(delivery.event)
    if together:
        yield together


def _request(source, message):
    """Return ``(webhook-id, body)``. A single event is sent without a batch around it."""
    names = [delivery.event_name for delivery in message]
    events = [
        # the endpoint may have got later events of the record before a replay
        extended(delivery.event, replayed=True) if delivery.replayed else delivery.event
        for delivery in message
    ]
    if len(message) == 1:
        return message_id(source, *names), extended(*events, source=source).encode()
    return batch_message_id(source, names), batch(source, events).encode()


def _record_of(delivery):
    return delivery.model, delivery.record_id
