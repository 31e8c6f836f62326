"""Which worker serves which queue."""

from bridgecore.queue.messages import DEFAULT, HIGH, WORKERS


def test_high_priority_has_workers_of_its_own_and_comes_first_everywhere():
    assert WORKERS["high"] == (HIGH,)
    assert WORKERS["default"].index(HIGH) < WORKERS["default"].index(DEFAULT)
