"""The feed is read completely, once at a time, and its cursor never runs ahead."""

import json

import pytest
from bridgecore.api.models import whole
from bridgecore.errors import FeedError, FeedUnavailable, QueueUnavailable
from bridgecore.events import MAX_DEPTH
from bridgecore.storage.history import Filter

from tests.integration.fake_odoo import answer


def test_all_pages_are_read_at_once(make_parts):
    parts = make_parts(pull_page_size=10)
    parts.record_effects()
    parts.odoo.events = [parts.wire(n, record_id=n) for n in range(1, 26)]

    assert parts.pulling.pull(parts.source) == 25
    parts.deliver()
    assert len(set(parts.effects)) == len(parts.effects) == 25
    assert sorted(parts.odoo.processed) == list(range(1, 26))
    pulls = parts.odoo.called("pull")
    assert [call["last_event_id"] for call in pulls] == [0, 10, 20]


def test_the_next_pull_starts_at_the_cursor(parts):
    parts.odoo.events = [parts.wire(1)]
    parts.pulling.pull(parts.source)
    parts.odoo.events.append(parts.wire(2))
    parts.pulling.pull(parts.source)
    assert [c["last_event_id"] for c in parts.odoo.called("pull")] == [0, 1]
    assert list(parts.states()) == [2, 1]


def test_only_unconfirmed_events_are_asked_for(parts):
    """A receiver that lost its state must not handle the whole history again."""
    parts.odoo.events = [parts.wire(1), parts.wire(2)]
    parts.odoo.processed = [1]
    parts.pulling.pull(parts.source)
    assert parts.states() == {2: "queued"}


def test_the_same_event_by_push_and_by_pull_has_one_effect(parts):
    parts.odoo.events = [parts.wire(1)]
    parts.push(parts.event(1))
    assert parts.pulling.pull(parts.source) == 0
    parts.deliver()
    parts.push(parts.event(1))
    parts.deliver()
    assert len(parts.effects) == 1


def test_the_cursor_stays_until_the_page_is_safe(parts):
    parts.odoo.events = [parts.wire(1)]
    parts.messages.away = True
    with pytest.raises(QueueUnavailable):
        parts.pulling.pull(parts.source)
    assert parts.storage.feeds.cursor(parts.source) == 0

    parts.messages.away = False
    parts.pulling.pull(parts.source)
    assert parts.storage.feeds.cursor(parts.source) == 1
    parts.deliver()
    assert len(parts.effects) == 1


def test_reconciliation_starts_at_the_beginning_and_leaves_the_cursor_alone(parts):
    parts.odoo.events = [parts.wire(1), parts.wire(2)]
    parts.pulling.pull(parts.source)
    parts.deliver()
    parts.odoo.processed.remove(1)  # its confirmation was lost

    parts.pulling.pull(parts.source, reconcile=True)
    parts.deliver()
    assert sorted(parts.odoo.processed) == [1, 2]
    assert parts.storage.feeds.cursor(parts.source) == 2
    assert len(parts.effects) == 2


def test_a_wiped_redis_heals(parts):
    parts.odoo.events = [parts.wire(1), parts.wire(2)]
    parts.pulling.pull(parts.source)
    for key in parts.storage.redis.scan_iter(parts.key("*")):
        parts.storage.redis.delete(key)
    parts.messages.sent.clear()

    parts.pulling.pull(parts.source)
    parts.deliver()
    assert parts.odoo.processed == [1, 2]


def test_only_one_task_pulls_at_a_time(parts):
    inner = []
    parts.odoo.while_pulling = lambda: inner.append(parts.pulling.pull(parts.source))
    parts.pulling.pull(parts.source)
    assert inner == [None]
    assert len(parts.odoo.called("pull")) == 1

    parts.odoo.while_pulling = lambda: None
    assert parts.pulling.pull(parts.source) == 0  # the lease was given back


def test_the_lease_is_given_back_after_an_error(parts):
    parts.odoo.misbehave.append(answer(500))
    with pytest.raises(FeedUnavailable):
        parts.pulling.pull(parts.source)
    assert parts.pulling.pull(parts.source) == 0


def test_the_lease_of_another_owner_is_not_given_back(parts):
    key = parts.key("lease:sync")
    parts.odoo.while_pulling = lambda: parts.storage.redis.set(key, "another's", px=60_000)
    parts.pulling.pull(parts.source)
    assert parts.storage.redis.get(key) == "another's"


def test_an_expired_cursor_starts_again_at_the_beginning(parts):
    feeds = parts.storage.feeds
    feeds.note_page(feeds.begin_pull(parts.source), 999, is_end=True)
    parts.odoo.events = [parts.wire(1)]
    expired = '{"events": [], "last_id": 999, "has_more": false, "cursor_expired": true}'
    parts.odoo.misbehave.append(answer(200, expired))
    assert parts.pulling.pull(parts.source) == 1
    assert parts.storage.feeds.cursor(parts.source) == 1


def test_an_event_that_is_not_understood_is_reported_and_holds_up_no_other(parts):
    parts.odoo.events = [parts.wire(1), parts.wire(2, event="change"), parts.wire(3)]
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert parts.odoo.processed == [1, 3]
    assert parts.odoo.failed[2].startswith("not understood by the receiver: event: ")


def test_a_feed_that_says_it_has_more_but_does_not_go_on(parts):
    parts.odoo.misbehave.extend([answer(200, '{"events": [], "last_id": 0, "has_more": true}')] * 9)
    assert parts.pulling.pull(parts.source) == 0
    assert len(parts.odoo.calls) == 1


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    ["\ud800", nested(MAX_DEPTH - 1)],
    ids=["surrogate", "deep"],
)
def test_an_event_that_cannot_be_stored_is_reported_and_holds_up_no_other(parts, value):
    parts.odoo.events = [parts.wire(1, payload={"a": value}), parts.wire(2)]
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert parts.odoo.processed == [2]
    assert parts.odoo.failed[1].startswith("not understood by the receiver: ")


def test_values_nested_as_deeply_as_may_be_can_be_read_wherever_they_go(parts):
    seen = []

    @parts.registry.on()
    def see(event):
        seen.append(event.payload)

    payload = {"a": nested(MAX_DEPTH - 2)}
    parts.odoo.events = [parts.wire(1, payload=payload)]
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert parts.odoo.processed == [1]
    assert seen == [payload]
    ((known,), _) = parts.storage.history.find([parts.source], Filter(), 10)
    assert json.loads(whole(known).model_dump_json())["payload"] == payload


def limits(parts):
    return [call["limit"] for call in parts.odoo.called("pull")]


def test_after_a_large_page_a_smaller_one_is_asked_for(make_parts, monkeypatch):
    monkeypatch.setattr("bridgecore.odoo.pulling.PAGE_BYTES", 5_000)
    parts = make_parts(pull_page_size=8)
    parts.odoo.events = [
        parts.wire(n, record_id=n, payload={"text": "x" * 1_000}) for n in range(1, 21)
    ]
    assert parts.pulling.pull(parts.source) == 20
    assert limits(parts) == [8, 4, 4, 4]


def test_a_page_that_is_too_large_to_be_read_is_asked_for_in_parts(make_parts, monkeypatch):
    monkeypatch.setattr("bridgecore.odoo.feed.MAX_ANSWER", 5_000)
    parts = make_parts(pull_page_size=8)
    parts.odoo.events = [
        parts.wire(n, record_id=n, payload={"text": "x" * 1_000}) for n in range(1, 9)
    ]
    assert parts.pulling.pull(parts.source) == 8
    assert limits(parts) == [8, 4, 8]


def test_an_event_that_is_too_large_to_be_read_is_named(make_parts, monkeypatch):
    monkeypatch.setattr("bridgecore.odoo.feed.MAX_ANSWER", 500)
    parts = make_parts(pull_page_size=8)
    parts.odoo.events = [parts.wire(1, payload={"text": "x" * 1_000})]
    with pytest.raises(FeedError, match=r"event after cursor 0 of .* is larger"):
        parts.pulling.pull(parts.source)
