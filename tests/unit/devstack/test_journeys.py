"""What the demo says about an event on its way."""

from datetime import UTC, datetime, timedelta

import pytest

from devstack.journeys import Journey

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def after(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


@pytest.fixture
def journey() -> Journey:
    return Journey(7, "sale.order", 1, "write", START, via="push")


def test_each_step_is_measured_from_the_one_before(journey: Journey) -> None:
    journey.arrived, journey.handled, journey.acknowledged = after(40), after(55), after(75)

    assert journey.milliseconds("committed") is None
    assert journey.milliseconds("arrived") == 40
    assert journey.milliseconds("handled") == 15
    assert journey.milliseconds("acknowledged") == 20
    assert journey.total == 75
    assert "pushed to the receiver" in journey.tell("arrived", after(40))


def test_a_step_is_told_only_after_those_before_it(journey: Journey) -> None:
    journey.acknowledged = after(75)

    assert [step for step, _ in journey.steps()] == ["committed"]
    assert journey.milliseconds("acknowledged") is None
    assert journey.total is None
