"""A receiver that lost its data reads the feed before it accepts pushes, so order holds."""

import pytest
from bridgecore.errors import CatchingUp, StateLost
from bridgecore.storage.inbox import Submission

from tests.integration.order import event_id_of
from tests.integration.own_redis import OwnRedis
from tests.integration.parts import Parts
from tests.support import eventually


def wipe(parts):
    for key in parts.storage.redis.scan_iter(parts.key("*")):
        parts.storage.redis.delete(key)


def handled(parts):
    return [event_id_of(key) for key in parts.effects]


def test_what_was_lost_is_handled_before_the_next_push(parts):
    """Event 1 was accepted and lost; event 2 of the same record is pushed."""
    parts.odoo.events = [parts.wire(1)]
    parts.push(parts.event(1))
    wipe(parts)
    parts.messages.sent.clear()

    with pytest.raises(CatchingUp) as refused:
        parts.push(parts.event(2))
    assert refused.value.retry_after
    assert parts.messages.sent.popleft() == ("pull", (parts.source, False, False))

    parts.odoo.events.append(parts.wire(2))
    parts.pulling.pull(parts.source)
    parts.push(parts.event(2))
    parts.deliver()
    assert handled(parts) == [1, 2]


def test_the_message_to_pull_is_sent_once(parts):
    wipe(parts)
    for n in (1, 2, 3):
        with pytest.raises(CatchingUp):
            parts.push(parts.event(n))
    assert parts.messages.kinds == ["pull"]


def test_a_duplicate_does_not_wait_for_the_feed(parts):
    wipe(parts)
    parts.odoo.events = [parts.wire(1), parts.wire(2)]

    def push_meanwhile():
        if len(parts.odoo.called("pull")) == 2:
            assert parts.push(parts.event(1)).duplicates == 1
            with pytest.raises(CatchingUp):
                parts.push(parts.event(1), parts.event(3))

    parts.settings.pull_page_size = 1
    parts.odoo.while_pulling = push_meanwhile
    assert parts.pulling.pull(parts.source) == 2


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_wipe_between_two_pages_loses_no_page(parts, page):
    parts.settings.pull_page_size = 2
    parts.odoo.events = [parts.wire(n) for n in range(1, 6)]

    def wipe_once():
        if len(parts.odoo.called("pull")) == page:
            wipe(parts)

    parts.odoo.while_pulling = wipe_once
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert handled(parts) == [1, 2, 3, 4, 5]
    assert parts.storage.feeds.cursor(parts.source) == 5


def test_a_page_of_a_pull_that_began_before_the_wipe_is_refused(parts):
    feeds = parts.storage.feeds
    pull = feeds.begin_pull(parts.source)
    wipe(parts)
    (answer,) = parts.acceptance.accept(
        [Submission(parts.source, [parts.event(3)], "pull", pull.token)]
    )
    assert isinstance(answer, StateLost)
    with pytest.raises(StateLost):
        feeds.note_page(pull, 3, is_end=True)
    assert feeds.cursor(parts.source) == 0
    with pytest.raises(CatchingUp):
        parts.push(parts.event(4))


def test_of_two_pulls_the_one_that_began_first_moves_no_cursor(parts):
    feeds = parts.storage.feeds
    first, second = feeds.begin_pull(parts.source), feeds.begin_pull(parts.source)
    with pytest.raises(StateLost):
        feeds.note_page(first, 10, is_end=True)
    assert feeds.note_page(second, 5, is_end=True).cursor == 5


def test_a_feed_that_cannot_be_reached_holds_up_pushes_for_a_limited_time(make_parts):
    parts = make_parts(catch_up_timeout=0.3)
    parts.record_effects()
    wipe(parts)
    with pytest.raises(CatchingUp):
        parts.push(parts.event(1))

    def accepted():
        try:
            return parts.push(parts.event(1))
        except CatchingUp:
            return None

    assert eventually(accepted).accepted == 1


def test_while_pages_come_pushes_wait_longer_than_that(make_parts):
    parts = make_parts(catch_up_timeout=0.3, pull_page_size=1)
    wipe(parts)
    parts.odoo.events = [parts.wire(n, record_id=n) for n in range(1, 8)]
    refused = []

    def push_meanwhile():
        begin = parts.storage.now()
        eventually(lambda: parts.storage.now() > begin + 100_000)
        with pytest.raises(CatchingUp):
            parts.push(parts.event(99))
        refused.append(parts.storage.now())

    parts.odoo.while_pulling = push_meanwhile
    parts.pulling.pull(parts.source)
    assert refused[-1] - refused[0] > 500_000
    assert parts.push(parts.event(99)).accepted == 1


def test_a_redis_that_lost_its_last_writes_has_the_feed_read_again(tmp_path, odoo):
    """It was killed after it had accepted event 1, and before that was on its disk."""
    redis = OwnRedis(tmp_path / "redis")
    parts = Parts(redis.url, odoo)
    parts.record_effects()
    parts.odoo.events = [parts.wire(1)]
    parts.read_feed()
    parts.storage.redis.save()
    parts.push(parts.event(1))
    redis.kill()
    redis.start()
    assert parts.storage.redis.hget(parts.key("feed"), "read_at")  # it looks as if nothing happened

    with pytest.raises(CatchingUp):
        parts.push(parts.event(2))
    parts.odoo.events.append(parts.wire(2))
    parts.messages.sent.clear()
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert handled(parts) == [1, 2]
    parts.storage.close()
    redis.stop()
