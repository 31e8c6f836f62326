"""A receiver that lost its data reads the feed before it accepts pushes, so order holds."""

import contextlib

import pytest
from bridgecore.errors import CatchingUp, FeedError, RedisFull, StateLost
from bridgecore.storage.inbox import Submission
from redis import Redis

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
    with pytest.raises(CatchingUp):
        parts.push(parts.event(2))
    parts.odoo.events.append(parts.wire(2))
    parts.messages.sent.clear()
    parts.pulling.pull(parts.source)
    parts.deliver()
    assert handled(parts) == [1, 2]
    parts.storage.close()
    redis.stop()


@pytest.mark.parametrize("reconcile", [False, True])
def test_a_restart_between_two_pages_of_a_pull_loses_no_page(tmp_path, odoo, reconcile):
    redis = OwnRedis(tmp_path / "redis")
    parts = Parts(redis.url, odoo, pull_page_size=1)
    parts.record_effects()
    parts.read_feed()
    parts.odoo.events = [parts.wire(n) for n in (1, 2, 3)]

    def restart():
        asked = len(parts.odoo.called("pull"))
        if asked == 2:
            parts.storage.redis.save()  # page 2 is accepted after that, and lost
        elif asked == 3:
            redis.kill()
            redis.start()

    parts.odoo.while_pulling = restart
    parts.pulling.pull(parts.source, reconcile)
    parts.deliver()
    assert handled(parts) == [1, 2, 3]
    parts.storage.close()
    redis.stop()


def test_receivers_of_one_server_notice_its_restart_each_for_itself(tmp_path, odoo):
    redis = OwnRedis(tmp_path / "redis")
    receivers = [Parts(redis.url, odoo) for _ in range(2)]
    for parts in receivers:
        parts.read_feed()
    receivers[0].storage.redis.save()
    redis.kill()
    redis.start()
    for parts in receivers:
        with pytest.raises(CatchingUp):
            parts.push(parts.event(1))
        parts.storage.close()
    redis.stop()


def test_a_new_connection_to_the_same_start_of_redis_changes_nothing(parts):
    wipe(parts)
    parts.pulling.pull(parts.source)
    parts.storage.close()
    assert parts.push(parts.event(1)).accepted == 1


def test_a_feed_whose_second_page_fails_does_not_hold_up_pushes_for_ever(make_parts):
    parts = make_parts(catch_up_timeout=0.3, pull_page_size=1)
    wipe(parts)
    parts.odoo.events = [parts.wire(1), parts.wire(2, id="none")]

    def accepted():
        with contextlib.suppress(FeedError):
            parts.pulling.pull(parts.source)
        with contextlib.suppress(CatchingUp):
            return parts.push(parts.event(9))
        return None

    assert eventually(accepted).accepted == 1


def test_without_memory_a_duplicate_is_still_answered(parts):
    parts.push(parts.event(1))
    parts.storage.memory.has_room = lambda size: False
    assert parts.push(parts.event(1)).duplicates == 1
    with pytest.raises(RedisFull):
        parts.push(parts.event(2))


def test_a_redis_user_who_may_not_ask_for_memory_is_no_limit(redis_url, odoo):
    limited = redis_url.replace("redis://", "redis://uninformed:word@")
    with Redis.from_url(redis_url) as redis:
        redis.execute_command("ACL", "SETUSER", "uninformed", "on", ">word", "~*", "+@all", "-info")
        parts = Parts(limited, odoo)
        parts.read_feed()
        parts.record_effects()
        parts.push(parts.event(1))
        parts.deliver()
        parts.storage.close()
        redis.execute_command("ACL", "DELUSER", "uninformed")
    assert handled(parts) == [1]
