"""Once, in order, and nothing lost: the way of an event through the pipeline."""

import pytest
from bridgecore.errors import QueueFull, QueueUnavailable
from bridgecore.storage.batches import Batch, End
from bridgecore.storage.claims import Submission

from tests.support import eventually


def take(parts, limit: int = 1) -> Batch:
    """Events of the first record."""
    return parts.storage.batches.take(parts.source, ["res.partner:1"], limit).batch


def settle(parts, batch, outcome="done", **then):
    ends = [End(work, outcome, batch.now) for work in batch.works]
    return parts.storage.batches.settle(batch, ends, **then)


def test_an_event_is_handled_once_and_confirmed(parts):
    event = parts.event(1)

    receipt = parts.push(event)
    assert (receipt.accepted, receipt.duplicates) == (1, 0)
    assert parts.states() == {1: "queued"}
    parts.deliver()

    assert parts.effects == [event.idempotency_key]
    assert parts.states() == {1: "confirmed"}
    assert parts.odoo.processed == [1]
    assert not parts.messages.sent


def test_a_repeat_within_a_submission_is_a_duplicate(parts):
    receipt = parts.push(parts.event(1), parts.event(1))
    parts.deliver()
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert len(parts.effects) == 1


def test_the_timestamp_tells_events_of_a_restored_database_apart(parts):
    parts.push(parts.event(1), parts.event(1, timestamp="2026-02-01T00:00:00.000001Z"))
    parts.deliver()
    assert len(parts.effects) == 2


def test_a_repeat_of_a_queued_event_wakes_it(parts):
    parts.push(parts.event(1))
    parts.messages.sent.clear()  # its message was lost

    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert len(parts.effects) == 1


def test_a_repeat_of_a_done_event_acknowledges_it_again(parts):
    parts.push(parts.event(1))
    parts.processing.process(*parts.messages.sent.popleft()[1])
    parts.messages.sent.clear()  # the acknowledgement was lost
    assert parts.states() == {1: "done"}

    parts.push(parts.event(1))
    assert parts.messages.kinds == []  # it still stands on the list, and somebody is telling it
    parts.acknowledging.acknowledge(parts.source)
    assert parts.odoo.processed == [1]
    assert len(parts.effects) == 1


def test_a_repeat_of_a_confirmed_event_acknowledges_it_again(parts):
    """Whoever repeats it does not know: an acknowledgement or a whole database was lost."""
    parts.push(parts.event(1))
    parts.deliver()

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.odoo.processed == [1, 1]
    assert parts.states() == {1: "confirmed"}
    assert len(parts.effects) == 1


def test_a_repeat_of_a_dead_event_reports_it_again(make_parts):
    parts = make_parts(max_attempts=1)
    parts.registry.on()(fail := Failing(parts, times=100))
    parts.push(parts.event(1))
    parts.deliver()
    assert fail.calls == 1
    parts.odoo.failed.clear()

    parts.push(parts.event(1))
    parts.deliver()
    assert fail.calls == 1
    assert list(parts.odoo.failed) == [1]
    assert parts.states() == {1: "dead"}


def test_if_messages_cannot_be_sent_the_sender_is_told_and_its_repeat_wakes_the_event(parts):
    parts.messages.away = True
    with pytest.raises(QueueUnavailable) as refused:
        parts.push(parts.event(1))
    assert refused.value.retry_after

    parts.messages.away = False
    assert parts.push(parts.event(1)).duplicates == 1
    parts.deliver()
    assert len(parts.effects) == 1


def test_a_full_queue_refuses_new_events_wholly_and_repeats_not_at_all(make_parts):
    parts = make_parts(max_queue_depth=2)
    parts.push(parts.event(1), parts.event(2))

    with pytest.raises(QueueFull) as refused:
        parts.push(parts.event(1), parts.event(3))
    assert refused.value.retry_after
    assert parts.states() == {1: "queued", 2: "queued"}
    assert parts.push(parts.event(1)).duplicates == 1

    parts.deliver()
    assert parts.push(parts.event(1), parts.event(3)).accepted == 1


def test_submissions_that_share_a_round_trip_have_answers_of_their_own(make_parts):
    parts = make_parts(max_queue_depth=1)
    first, second = (Submission(parts.source, [parts.event(n)], "push") for n in (1, 2))
    accepted, refused = parts.acceptance.accept([first, second])
    assert accepted.accepted == 1
    assert isinstance(refused, QueueFull)


def test_events_of_a_record_are_handled_in_order_of_arrival(parts):
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(1, 31)))
    parts.messages.sent.reverse()
    parts.push(*(parts.event(n, record_id=n % 3 + 1) for n in range(31, 61)))
    parts.deliver()

    handled = [int(key.split("/")[1].split("@")[0]) for key in parts.effects]
    for record in range(3):
        assert [n for n in handled if n % 3 == record] == [
            n for n in range(1, 61) if n % 3 == record
        ]


def test_an_event_that_arrives_while_its_record_is_worked_on_is_handled_too(parts):
    @parts.registry.on()
    def arrive(event):
        if event.event_id < 5:
            parts.push(parts.event(event.event_id + 1))

    parts.push(parts.event(1))
    parts.processing.process(*parts.messages.sent.popleft()[1])
    assert len(parts.effects) == 5
    assert parts.storage.redis.exists(parts.key("lease:res.partner:1")) == 0


def test_a_record_that_a_worker_has_is_left_to_it(parts):
    parts.push(parts.event(1))
    batch = take(parts)
    parts.deliver()
    assert parts.effects == []
    settle(parts, batch)
    assert parts.states() == {1: "done"}


class Failing:
    """A handler that fails for one event, a number of times."""

    __module__ = "tests"

    def __init__(self, parts, times, event_id=1, name="failing"):
        self.parts, self.times, self.event_id, self.calls = parts, times, event_id, 0
        self.__qualname__ = name

    def __call__(self, event):
        if event.event_id == self.event_id:
            self.calls += 1
            if self.calls <= self.times:
                raise LookupError(f"attempt {self.calls}")


def test_a_failing_handler_is_tried_again(parts):
    parts.registry.on()(fail := Failing(parts, times=2))
    parts.push(parts.event(1))
    parts.deliver()
    assert fail.calls == 3
    assert parts.states() == {1: "confirmed"}


def test_each_handler_that_fails_is_named_in_the_log(make_parts, caplog):
    parts = make_parts(max_attempts=2)

    @parts.registry.on()
    def first(event):
        raise LookupError("a secret")

    @parts.registry.on()
    def second(event):
        raise ValueError("a secret")

    parts.push(parts.event(1))
    parts.deliver()
    key = parts.event(1).idempotency_key
    said = [
        f"{outcome} event={key} attempt={attempt} "
        f"handler={handler.name} error={error} at={__file__}:"
        for outcome, attempt in (("failed", 1), ("dead", 2))
        for handler, error in zip(parts.registry, ("LookupError", "ValueError"), strict=True)
    ]
    logged = [text for text in caplog.messages if " handler=" in text]
    assert [text[: len(start)] for text, start in zip(logged, said, strict=True)] == said
    assert "a secret" not in caplog.text


def test_the_success_of_one_handler_is_not_repeated_for_the_failure_of_another(make_parts):
    parts = make_parts()
    parts.registry.on()(before := Failing(parts, times=0, name="before"))
    parts.registry.on()(fail := Failing(parts, times=2))
    parts.registry.on()(after := Failing(parts, times=0, name="after"))
    parts.push(parts.event(1))
    parts.deliver()
    assert (before.calls, fail.calls, after.calls) == (1, 3, 1)
    assert parts.states() == {1: "confirmed"}


def test_an_event_that_keeps_failing_is_given_up_and_reported_and_holds_up_no_other(parts):
    parts.registry.on()(fail := Failing(parts, times=100, event_id=2))
    parts.push(*(parts.event(n) for n in (1, 2, 3)))
    parts.deliver()

    assert fail.calls == 3  # max_attempts
    assert parts.states() == {1: "confirmed", 2: "dead", 3: "confirmed"}
    assert parts.odoo.processed == [1, 3]
    assert parts.odoo.failed == {2: "LookupError: attempt 3"}
    error = parts.storage.redis.hget(parts.key(f"event:{parts.event(2).key}"), "error")
    assert error.startswith("Traceback")
    assert "in __call__" in error


def test_while_an_event_waits_for_its_next_attempt_its_record_waits_and_others_go_on(make_parts):
    parts = make_parts(retry_base=60)
    parts.record_effects()
    parts.registry.on()(Failing(parts, times=1))
    parts.push(parts.event(1), parts.event(2), parts.event(3, record_id=2))
    parts.deliver()
    parts.push(parts.event(4))
    parts.deliver()

    assert parts.states() == {1: "queued", 2: "queued", 3: "confirmed", 4: "queued"}
    (delay,) = parts.messages.delays
    assert 48 <= delay <= 72  # 60 s ± 20 %

    parts.storage.redis.zadd(parts.key("due"), {"res.partner:1": 0})  # the time has come
    parts.processing.process(parts.source, ["res.partner:1"])
    assert set(parts.states().values()) <= {"confirmed", "done"}


def test_only_the_owner_ends_extends_or_releases(parts):
    parts.push(parts.event(1))
    batch = take(parts)
    lease = batch.works[0].lease
    key = parts.key("lease:res.partner:1")
    parts.storage.redis.set(key, "another's token", px=60_000)

    assert not parts.storage.leases.extend(lease)
    assert not parts.storage.leases.release(lease)
    assert settle(parts, batch).lost == ["res.partner:1"]
    assert settle(parts, batch, "failed").lost == ["res.partner:1"]
    assert parts.storage.redis.get(key) == "another's token"
    assert parts.states() == {1: "queued"}


def test_a_lease_is_extended_as_long_as_its_handler_runs(make_parts):
    parts = make_parts(lease=0.2)
    key = parts.key("lease:res.partner:1")

    @parts.registry.on()
    def long(event):
        begun = parts.storage.redis.time()[0]
        eventually(lambda: parts.storage.redis.time()[0] > begun + 1)  # over one second
        assert parts.storage.redis.exists(key)

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.states() == {1: "confirmed"}
    assert not parts.storage.redis.exists(key)


def test_the_record_of_a_worker_that_died_is_taken_over(make_parts):
    parts = make_parts(lease=0.2)
    parts.record_effects()
    parts.push(parts.event(1))
    parts.messages.sent.clear()
    dead = take(parts)  # and nobody extends it

    assert parts.storage.batches.stalled(parts.source, 10) == []
    assert eventually(lambda: parts.storage.batches.stalled(parts.source, 10)) == ["res.partner:1"]
    assert parts.storage.batches.stalled(parts.source, 10) == []  # once per period
    eventually(lambda: parts.processing.process(parts.source, ["res.partner:1"]) or parts.effects)
    assert len(parts.effects) == 1
    report, reports = settle(parts, dead).report, parts.storage.redis.zcard(parts.key("reports"))
    assert (report, reports) == (False, 1)  # it comes too late, and does nothing


def test_an_event_that_kills_its_workers_is_given_up_and_holds_up_no_other(make_parts):
    parts = make_parts(max_attempts=2)
    parts.record_effects()
    parts.push(parts.event(1), parts.event(2))
    for _attempt in range(2):
        died = take(parts)
        parts.storage.leases.release(died.works[0].lease)  # as when its time is over

    parts.deliver()
    assert parts.effects == [parts.event(2).idempotency_key]
    assert parts.odoo.processed == [2]
    assert "death of its worker" in parts.odoo.failed[1]


def test_a_repeated_end_does_not_end_the_next_event(parts):
    """The answer to the first call may have been lost."""
    parts.push(parts.event(1), parts.event(2))
    batch = take(parts)
    for _call in range(2):
        following = settle(parts, batch, then=["res.partner:1"], limit=1).following.batch
        assert [work.event.event_id for work in following.works] == [2]
    assert parts.states() == {1: "done", 2: "queued"}


def test_an_event_may_be_forgotten_only_when_it_is_confirmed(parts):
    parts.push(parts.event(1))
    parts.processing.process(*parts.messages.sent.popleft()[1])
    assert parts.storage.redis.zcard(parts.key("kept")) == 0
    parts.deliver()
    assert parts.storage.redis.zscore(parts.key("kept"), parts.event(1).key)


def test_the_latest_values_of_a_record_are_kept_until_it_is_deleted(parts):
    redis, key = parts.storage.redis, parts.key("record:res.partner:1")
    parts.push(parts.event(1, payload={"name": "Azure", "tags": []}))
    parts.push(parts.event(2, payload={"name": "Žižkov"}))
    parts.deliver()
    assert redis.hmget(key, "name", "tags", "_event") == ['"Žižkov"', "[]", "write"]

    parts.push(parts.event(3, event="unlink", payload={}))
    parts.deliver()
    assert redis.hmget(key, "name", "_event") == [None, "unlink"]


def test_a_late_event_does_not_replace_newer_values(parts):
    parts.push(parts.event(2, payload={"name": "new"}))
    parts.push(parts.event(1, payload={"name": "old"}))
    parts.deliver()
    assert parts.storage.redis.hget(parts.key("record:res.partner:1"), "name") == '"new"'


def test_the_sync_state_of_a_model_tells_the_newest_event(parts):
    parts.push(parts.event(2, record_id=1), parts.event(1, record_id=2))
    parts.deliver()
    state = parts.storage.redis.hgetall(parts.key("sync:res.partner"))
    assert state["last_event_id"] == "2"
    assert state["last_timestamp"] == parts.event(2).timestamp
    assert state["events"] == "2"


def test_a_payload_with_very_many_fields(parts):
    parts.push(parts.event(1, payload={f"field_{n}": n for n in range(20_000)}))
    parts.deliver()
    assert parts.states() == {1: "confirmed"}


def test_the_list_of_events_is_bounded(make_parts):
    parts = make_parts(max_stored_events=3)
    parts.push(*(parts.event(n) for n in range(1, 6)))
    assert list(parts.states()) == [5, 4, 3]


class WordlessError(Exception):
    """Python 3.11 cannot format its traceback."""

    @property
    def __notes__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("bad \ud800"), "ValueError: bad \\ud800"),
        (ValueError("bad \x00"), "ValueError: bad \x00"),
        (WordlessError(), ""),
    ],
    ids=["not Unicode", "null character", "no traceback"],
)
def test_an_error_that_cannot_be_stored_or_described_ends_like_any_other(parts, error, told):
    @parts.registry.on()
    def fail(event):
        raise error

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.states() == {1: "dead"}
    assert told in parts.odoo.failed[1]
    assert not parts.storage.redis.exists(parts.key("lease:res.partner:1"))
