"""Odoo's feed offers an event again that the receiver has given up."""

import json

import pytest
from bridgecore.errors import FeedUnavailable, QueueFull

from tests.integration.failing import Broken, reported
from tests.integration.fake_odoo import answer
from tests.integration.parts import Parts


@pytest.fixture
def parts(make_parts, broken: Broken) -> Parts:
    """A receiver that has given up an event; Odoo knows it."""
    parts = make_parts(max_attempts=2)
    parts.record_effects()
    parts.registry.on()(broken)
    parts.odoo.events = [parts.wire(1)]
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert parts.odoo.failed == {1: reported(1, 2)}
    return parts


def reconcile(parts):
    parts.pulling.pull(parts.source, reconcile=True)
    parts.deliver()


def test_it_is_handled_by_the_handlers_that_failed(parts, broken):
    broken.mended = True
    parts.odoo.offer_again(1)
    reconcile(parts)

    assert len(broken.events) == 3
    assert len(parts.effects) == 1  # of the handler that succeeded before
    assert parts.states() == {1: "confirmed"}
    assert (parts.odoo.processed, parts.odoo.failed) == ([1], {})
    event = parts.storage.redis.hgetall(parts.key(f"event:{parts.event(1).key}"))
    assert (event["replays"], event["attempts"]) == ("1", "1")
    assert parts.storage.redis.zcard(parts.key("dead")) == 0
    assert parts.storage.redis.zcard(parts.key("queued")) == 0


def test_each_offer_is_one_round_of_attempts(parts, broken):
    for offers in (1, 2, 3):
        parts.odoo.offer_again(1)
        for _ in range(3):
            reconcile(parts)
        assert len(broken.events) == 2 + 2 * offers
        assert parts.odoo.failed == {1: reported(1, len(broken.events))}
        assert parts.states() == {1: "dead"}
    assert parts.storage.redis.zcard(parts.key("dead")) == 1


def test_an_event_whose_report_waits_is_no_offer(parts, broken):
    parts.odoo.events.append(parts.wire(2))
    parts.pulling.pull(parts.source)
    parts.odoo.misbehave.append(answer(503))
    with pytest.raises(FeedUnavailable):
        parts.deliver()
    assert parts.states()[2] == "dead"

    reconcile(parts)
    assert len(broken.events) == 4
    assert parts.states()[2] == "dead"
    parts.confirming.confirm(parts.source)
    assert set(parts.odoo.failed) == {1, 2}


def test_the_result_of_a_second_round_is_confirmed_before_a_third_begins(parts, broken):
    parts.odoo.offer_again(1)
    parts.pulling.pull(parts.source, reconcile=True)
    parts.odoo.misbehave.append(answer(503))
    with pytest.raises(FeedUnavailable):
        parts.deliver()
    reconcile(parts)
    assert len(broken.events) == 4
    assert parts.states() == {1: "dead"}


def test_a_page_from_before_the_confirmation_is_no_offer(make_parts, broken):
    parts = make_parts(max_attempts=2)
    parts.registry.on()(broken)
    parts.odoo.events = [parts.wire(1)]
    parts.push(parts.event(1))

    def answer_late(request):
        page = parts.odoo.pull({"last_event_id": 0, "limit": 10, "include_processed": False})
        parts.deliver()
        assert parts.states() == {1: "dead"}
        assert set(parts.odoo.failed) == {1}
        answer(200, json.dumps(page))(request)

    parts.odoo.misbehave.append(answer_late)
    reconcile(parts)
    assert len(broken.events) == 2


@pytest.mark.parametrize("mended", [True, False])
def test_confirming_the_last_round_does_not_settle_the_next(parts, broken, mended):
    """After a duplicate the failure is reported once more, while the offer comes."""
    parts.push(parts.event(1))
    parts.odoo.offer_again(1)

    def answer_late(request):
        broken.mended = mended
        parts.pulling.pull(parts.source, reconcile=True)
        parts.runner.run(parts.source, ["res.partner:1"])
        parts.runner.run(parts.source, ["res.partner:1"])
        assert parts.states() == {1: "done" if mended else "dead"}
        answer(200, '{"success": true}')(request)

    parts.odoo.misbehave.append(answer_late)
    parts.deliver()
    assert parts.odoo.processed == ([1] if mended else [])
    assert parts.odoo.failed == ({} if mended else {1: reported(1, 4)})


def test_a_push_is_no_offer(parts, broken):
    parts.odoo.offer_again(1)
    parts.push(parts.event(1))
    parts.deliver()
    assert len(broken.events) == 2
    assert set(parts.odoo.failed) == {1}


def test_a_full_queue_accepts_the_offer_later(make_parts, broken):
    parts = make_parts(max_attempts=1, max_queue_depth=1)
    parts.registry.on()(broken)
    parts.odoo.events = [parts.wire(1)]
    parts.push(parts.event(1))
    parts.deliver()
    parts.odoo.offer_again(1)
    parts.push(parts.event(2, record_id=2))
    with pytest.raises(QueueFull):
        parts.pulling.pull(parts.source, reconcile=True)
    assert parts.states()[1] == "dead"

    parts.deliver()
    broken.mended = True
    reconcile(parts)
    assert parts.odoo.processed == [1]
