"""Claims, sends and records deliveries, in separate steps: no transaction is open during HTTP."""

import collections
import dataclasses
import datetime
import time
from typing import NamedTuple

from ..wire.message import batch, batch_message_id, extended, single
from .blame import Evidence
from .oauth import post

#: Seconds that a process may work on a claim. The lease lasts that long plus one attempt.
LEASE_MARGIN = 30

#: Bytes of the events in one batch; a single event may be larger. With the text around them a batch
#: stays below the 1 MiB that many servers accept by default.
_MAX_BATCH = 1_000_000


class Leased(NamedTuple):
    """A delivery that this process has claimed."""

    id: int
    attempts: int
    #: as in ``blame.Standing``
    suspected: int
    failed_epoch: int
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
    #: the record is gone for some companies, so ``event`` may show more than the receiver may see
    left_some: bool


class Health(NamedTuple):
    """How the endpoint was doing when the claim was made."""

    #: messages that failed since the endpoint last accepted one
    failures: int = 0
    #: it is paused and probed
    away: bool = False
    #: as in ``blame``
    epoch: int = 1
    #: how many deliveries are suspects
    suspects: int = 0


@dataclasses.dataclass(frozen=True)
class Claim:
    """The deliveries of one subscriber that this process has claimed together."""

    subscriber_id: int
    #: seconds until more may be due, None if none waits; set only if nothing was claimed
    wait: float | None = None
    endpoint: object = None
    health: Health = dataclasses.field(default_factory=Health)
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
        connections = connections_for(*endpoint.way)
        evidence = send(connections, claim, started + LEASE_MARGIN, is_over)
        with database.transaction() as env:
            settled = env["webhook.delivery"]._record(claim, evidence)


def send(connections, claim, stop_at, is_over):
    """Send the deliveries of a claim, in as few messages as possible.

    A batch that fails is halved until its culprit is alone. After a failure events go one by one
    until one gets through, so an endpoint that is away gets few and small messages.

    Sending stops when the endpoint is found to be away, because the next messages would fail too.
    It also stops when the lease is about to end, because another process may claim the deliveries
    then.

    :param stop_at: moment (``time.monotonic``) after which no message may be begun
    :param is_over: as for ``deliver``
    :return: ``blame.Evidence``
    """
    evidence, failing_records = Evidence(claim), set()
    messages = collections.deque(_messages(claim))
    while messages and not (evidence.stopped or is_over()) and time.monotonic() < stop_at:
        message = [d for d in messages.popleft() if _record_of(d) not in failing_records]
        if not message:
            continue
        if evidence.in_doubt and len(message) > 1:
            messages.appendleft(message[1:])
            message = message[:1]
        outcome = post(connections, claim.endpoint, *_request(claim.source, message))
        evidence.note(message, outcome)
        if not outcome.delivered:
            if len(message) > 1:
                half = len(message) // 2
                messages.extendleft((message[half:], message[:half]))
            else:
                failing_records.add(_record_of(message[0]))
    return evidence


def _messages(claim):
    """Yield lists of deliveries that are sent together.

    A delivery that has failed before is sent alone, and after the others: it may take as long as
    the timeout. So do the later ones of its record.
    """
    together, size = [], 0
    failing = {_record_of(d) for d in claim.deliveries if d.failed_epoch}
    for delivery in claim.deliveries:
        if _record_of(delivery) in failing:
            continue
        length = _bytes(delivery.event)
        if len(together) == claim.endpoint.batch_size or (together and size + length > _MAX_BATCH):
            yield together
            together, size = [], 0
        together.append(delivery)
        size += length
    if together:
        yield together
    for delivery in claim.deliveries:
        if _record_of(delivery) in failing:
            yield [delivery]


def _bytes(text):
    return len(text) if text.isascii() else len(text.encode())


def _request(source, message):
    """Return ``(webhook-id, body)``. A single event is sent without a batch around it."""
    if len(message) == 1:
        (delivery,) = message
        return single(source, delivery.event_name, delivery.event, delivery.replayed)
    names = [delivery.event_name for delivery in message]
    events = [
        # the endpoint may have got later events of the record before a replay
        extended(delivery.event, replayed=True) if delivery.replayed else delivery.event
        for delivery in message
    ]
    return batch_message_id(source, names), batch(source, events).encode()


def _record_of(delivery):
    return delivery.model, delivery.record_id
