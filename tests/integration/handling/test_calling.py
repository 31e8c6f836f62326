"""Events whose handlers fail, and the events beside them."""

import asyncio
import sys

import pytest

from tests.integration.batching import batches_of, latest, memory, records
from tests.support import eventually


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
    (reported,) = parts.odoo.failed.items()
    assert reported[0] == 2
    assert reported[1].startswith("LookupError: attempt 3 (tests.failing, test_calling.py:")
    error = parts.storage.redis.hget(parts.key(f"event:{parts.event(2).key}"), "error")
    assert error.startswith(f"{reported[1]}\n\nTraceback")
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
    parts.runner.run(parts.source, ["res.partner:1"])
    assert set(parts.states().values()) <= {"confirmed", "done"}


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
def test_an_error_that_cannot_be_stored_or_described_is_a_failure_like_any_other(
    parts, error, told
):
    @parts.registry.on()
    def fail(event):
        raise error

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.states() == {1: "dead"}
    assert told in parts.odoo.failed[1]
    assert not parts.storage.redis.exists(parts.key("lease:res.partner:1"))


def test_a_cancelled_handler_has_failed(parts):
    @parts.registry.on()
    async def cancelled(event):
        task = asyncio.get_running_loop().create_future()
        task.cancel()
        await task

    parts.push(parts.event(1))
    parts.deliver()
    assert parts.states() == {1: "dead"}
    assert "CancelledError" in memory(parts, 1)["error"]


def test_a_handler_that_ends_its_process_leaves_the_others_free(parts):
    parts.runner.pace.limit = 100

    @parts.registry.on()
    def leave(event):
        if event.event_id == 2:
            raise SystemExit

    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    with pytest.raises(SystemExit):
        parts.runner.run(parts.source, records(1, 2, 3))
    assert parts.states() == {1: "done", 2: "queued", 3: "queued"}
    assert parts.storage.redis.keys(parts.key("lease:*")) == []


def test_a_handler_that_changes_its_event_changes_nothing_else(parts):
    parts.runner.pace.limit = 100

    @parts.registry.on()
    def change(event):
        event.payload["name"] = object()

    parts.push(*(parts.event(n, record_id=n) for n in (1, 2)))
    parts.deliver()
    assert len(parts.effects) == 2
    assert set(parts.states().values()) == {"confirmed"}
    assert latest(parts) == {"name": "Partner 1"}


def test_when_much_of_the_lease_has_passed_the_rest_of_the_batch_is_claimed_again(
    make_parts, monkeypatch
):
    parts = make_parts(lease=0.4)
    parts.runner.pace.limit = 100
    parts.record_effects()
    begun = []

    @parts.registry.on()
    def slow(event):
        begun.append(event.event_id)
        if event.event_id == 1:
            start = parts.storage.now()
            eventually(lambda: parts.storage.now() > start + 1_000_000)  # longer than all leases

    seen = batches_of(parts, monkeypatch)
    parts.push(*(parts.event(n, record_id=n) for n in (1, 2, 3)))
    parts.deliver()
    assert seen[0] == [1]
    assert begun == [1, 2, 3]
    assert set(parts.states().values()) == {"confirmed"}


def test_a_lease_of_which_much_has_passed_is_extended_before_the_handler_is_called(
    make_parts, monkeypatch
):
    parts = make_parts(lease=1.5)
    left = []
    key = parts.key("lease:res.partner:1")
    parts.registry.on()(lambda event: left.append(parts.storage.redis.pttl(key)))
    parts.push(parts.event(1))
    claim_at_once = parts.storage.batches.claim

    def claim_late(*arguments):
        taken = claim_at_once(*arguments)
        eventually(lambda: parts.storage.redis.pttl(key) < 700)
        return taken

    monkeypatch.setattr(parts.storage.batches, "claim", claim_late)
    parts.deliver()
    assert left[0] > 1000


def test_an_event_whose_content_is_damaged_is_reported_and_holds_up_no_other(parts):
    parts.odoo.events = [parts.wire(1), parts.wire(2)]
    parts.pulling.pull(parts.source)
    (body,) = parts.storage.redis.keys(parts.key("body:1@*"))
    parts.storage.redis.set(body, "{")
    parts.deliver()
    assert parts.odoo.processed == [2]
    assert parts.odoo.failed[1].endswith("The stored content of this event cannot be read.")


class Own(BaseException):
    """As some libraries have it for their time-outs."""


@pytest.mark.parametrize("error", [Own(), GeneratorExit()])
def test_any_exception_is_a_failure_and_other_handlers_are_called(make_parts, error):
    parts = make_parts(max_attempts=1)
    called = []

    def ends_badly(event):
        raise error

    parts.registry.on()(ends_badly)
    parts.registry.on()(lambda event: called.append(event.event_id))
    parts.push(parts.event(1))
    parts.deliver()
    assert called == [1]
    assert parts.odoo.failed[1].startswith(type(error).__name__)


def test_sys_exit_ends_the_process_after_the_other_handlers_were_called(make_parts):
    parts = make_parts(max_attempts=2)
    called = []

    def leaves(event):
        sys.exit("enough")

    parts.registry.on()(leaves)
    parts.registry.on()(lambda event: called.append(event.event_id))
    parts.push(parts.event(1))
    for _attempt in range(2):
        with pytest.raises(SystemExit):
            parts.runner.run(parts.source, ["res.partner:1"])
    parts.confirming.confirm(parts.source)
    assert called == [1]  # it has succeeded, so it was not called again
    assert parts.odoo.failed[1].startswith("SystemExit: enough")
