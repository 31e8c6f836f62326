"""Delays between attempts."""

import pytest
from bridgecore.backoff import delay


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [
        (1, 0.5, 2),  # base
        (2, 0.5, 4),  # 2 * 2**1
        (5, 0.5, 32),  # 2 * 2**4
        (9, 0.5, 300),  # 2 * 2**8 = 512, over the cap
        (10**6, 0.5, 300),  # does not overflow
        (1, 0.0, 1.6),  # - 20 %
        (1, 1.0, 2.4),  # + 20 %
    ],
)
def test_delay(attempt, jitter, seconds):
    assert delay(attempt, base=2, cap=300, jitter=lambda: jitter) == pytest.approx(seconds)
