"""How submissions that come together are stored."""

import asyncio
import threading

from bridgecore.accepting.acceptance import Receipt
from bridgecore.accepting.intake import LARGE, Intake
from bridgecore.events import EXAMPLE, parse_event
from bridgecore.storage.inbox import Submission

TIMEOUT = 30
EVENT = parse_event(EXAMPLE, EXAMPLE["source"])


class SlowStorage:
    """The first call waits until the test lets it go on."""

    def __init__(self):
        self.began, self.may_go_on = threading.Event(), threading.Event()
        self.groups = []

    def accept(self, submissions):
        self.groups.append(len(submissions))
        if len(self.groups) == 1:
            self.began.set()
            assert self.may_go_on.wait(TIMEOUT)
        return [Receipt(len(submission.events), 0) for submission in submissions]


def submission(events):
    return Submission(EVENT.source, [EVENT] * events, "push")


def run(scenario):
    async def main():
        storage = SlowStorage()
        intake = Intake(storage)
        intake.start()
        await asyncio.wait_for(scenario(intake, storage), TIMEOUT)

    asyncio.run(main())


async def first(intake, storage, events):
    """Submit events, and wait until their storing has begun."""
    answer = asyncio.ensure_future(intake.accept(submission(events)))
    await asyncio.to_thread(storage.began.wait, TIMEOUT)
    return answer


def test_a_large_group_does_not_wait_for_the_one_before_it():
    async def scenario(intake, storage):
        answer = await first(intake, storage, LARGE)
        assert (await intake.accept(submission(LARGE))).accepted == LARGE
        assert not answer.done()
        storage.may_go_on.set()
        assert (await answer).accepted == LARGE
        await intake.stop()

    run(scenario)


def test_small_submissions_wait_and_become_one_group():
    async def scenario(intake, storage):
        answer = await first(intake, storage, 1)
        others = [asyncio.ensure_future(intake.accept(submission(1))) for _ in range(5)]
        await asyncio.sleep(0)  # they are submitted
        storage.may_go_on.set()
        assert [(await each).accepted for each in (answer, *others)] == [1] * 6
        assert storage.groups == [1, 5]
        await intake.stop()

    run(scenario)


def test_stopping_waits_for_what_was_submitted():
    async def scenario(intake, storage):
        answer = await first(intake, storage, LARGE)
        stopping = asyncio.ensure_future(intake.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        storage.may_go_on.set()
        await stopping
        assert (await answer).accepted == LARGE

    run(scenario)
