"""Whose fault a failed attempt is: the endpoint's or the event's.

A status code does not tell. A firewall answers 403 to one event and a proxy answers 502 for an
endpoint that is away, but a missing record is a 404 too. So the evidence decides, in the same way
for every kind of failure: *a failure belongs to the endpoint until another event gets through*.

- An event that fails becomes a *suspect*. Nothing is counted yet, and other events are tried.
- If one of them gets through, the endpoint works: each suspect is to blame, and uses up an attempt.
  It is one attempt however often it failed meanwhile, because the endpoint may have been away for
  most of that time.
- If ``MOST_SUSPECTS`` events have failed and none got through, the endpoint is *away*: it is
  paused, and no suspect is to blame.
- Whenever an event gets through after a failure, a new *epoch* begins. An event that failed in an
  earlier epoch and fails again is to blame at once, because another event got through in between.
  Without this rule many bad events in a row could be taken for an endpoint that is away, again and
  again.

Three failures need no evidence. If no connection could be opened, no event was sent, so the
endpoint is away. An endpoint that answers ``Retry-After`` counts as away, too, unless the event has
failed before: then only the event waits as long. If it answers so to a batch, the next ones are
smaller, so that an event that is always answered so is alone in the end. 410 ends everything.

A batch that fails says nothing about its events. It is narrowed down until the culprit is alone.
"""

#: So many events must fail in a row before the endpoint counts as away. Fewer would take a few bad
#: events for that. More would send more messages to an endpoint that is away.
MOST_SUSPECTS = 5


class Standing:
    """What is known about one delivery. ``Evidence`` updates it."""

    __slots__ = ("attempts", "failed_epoch", "first_again", "outcome", "suspected")

    def __init__(self, delivery):
        #: attempts that count
        self.attempts = delivery.attempts
        #: failures in this epoch for which it is suspected
        self.suspected = delivery.suspected
        #: the epoch in which it failed last; 0 if it has not failed
        self.failed_epoch = delivery.failed_epoch
        #: the ``Outcome`` of its last attempt, or None if it was not attempted
        self.outcome = None
        #: the endpoint is to blame, so the delivery is tried again before those that wait
        self.first_again = False

    @property
    def has_failed(self):
        return self.failed_epoch > 0


class Evidence:
    """What the messages of one claim say about its endpoint and its deliveries.

    :param claim: ``dispatcher.Claim``
    """

    def __init__(self, claim):
        self.epoch = self.first_epoch = claim.health.epoch
        #: the claim was made while the last message had failed; no other process makes one then
        self.began_in_doubt = claim.health.failures > 0
        self.began_away = claim.health.away
        #: no event got through since the endpoint was found to be away
        self.away = claim.health.away
        #: failed messages since the endpoint last accepted one
        self.failures = claim.health.failures
        #: the endpoint accepted a message
        self.accepted = False
        #: no more messages may be sent now
        self.stopped = False
        #: the ``Outcome`` of the last message that failed, or None
        self.failure = None
        #: events in the smallest batch that was too much for the endpoint, or None
        self.too_many = None
        #: events in the largest message that the endpoint accepted
        self.most_accepted = 0
        self.standings = {delivery.id: Standing(delivery) for delivery in claim.deliveries}
        self._suspects = {d.id for d in claim.deliveries if d.suspected}
        self._earlier_suspects = claim.health.suspects - len(self._suspects)

    @property
    def in_doubt(self):
        """Whether the last message failed: the next one must hold a single event."""
        return self.failures > 0

    @property
    def attempted(self):
        """``{delivery id: Standing}`` of the deliveries that were attempted."""
        return {i: standing for i, standing in self.standings.items() if standing.outcome}

    def note(self, message, outcome):
        """Take the outcome of a message into account.

        :param list message: the deliveries in it
        """
        if len(message) == 1 or outcome.delivered:
            for delivery in message:
                self.standings[delivery.id].outcome = outcome
        if outcome.delivered:
            self._note_accepted(message)
            return
        self.failure = outcome
        self.failures += 1
        standing = self.standings[message[0].id] if len(message) == 1 else None
        if outcome.gone:
            self._stop(standing)
        elif outcome.unsent:
            self._note_away(standing)
        elif outcome.retry_after is not None and not (standing and standing.has_failed):
            if standing:
                standing.failed_epoch = self.epoch
            else:
                self._note_too_many(message)
            self._note_away(standing)
        elif standing:
            self._note_failed(message[0].id, standing)
        elif outcome.too_much:
            self._note_too_many(message)

    def _note_too_many(self, message):
        self.too_many = min(self.too_many or len(message), len(message))

    def _note_accepted(self, message):
        for delivery in message:
            self.standings[delivery.id].attempts += 1
            self._suspects.discard(delivery.id)  # it proves nothing against itself
        self.most_accepted = max(self.most_accepted, len(message))
        if self.failures:
            for suspect in map(self.standings.get, self._suspects):
                suspect.attempts += 1
                suspect.suspected = 0
            self._suspects.clear()
            self._earlier_suspects = 0
            self.epoch += 1
            self.failures, self.away = 0, False
        self.accepted = True

    def _note_failed(self, delivery_id, standing):
        is_known = standing.has_failed and standing.failed_epoch < self.epoch
        standing.failed_epoch = self.epoch
        if self.away:
            self._note_away(standing)
        elif is_known:
            standing.attempts += 1
        else:
            standing.suspected += 1
            self._suspects.add(delivery_id)
            if len(self._suspects) + self._earlier_suspects >= MOST_SUSPECTS:
                self._note_away(standing)

    def _note_away(self, standing):
        self.away = True
        for suspect in map(self.standings.get, self._suspects):
            suspect.suspected = 0
            suspect.first_again = True
        self._suspects.clear()
        self._stop(standing)

    def _stop(self, standing):
        self.stopped = True
        if standing:
            standing.first_again = True
