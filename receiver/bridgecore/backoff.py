"""Computes how long to wait before the next attempt."""

import random
from collections.abc import Callable


def delay(
    attempt: int, base: float, cap: float, jitter: Callable[[], float] = random.random
) -> float:
    """Return the seconds to wait after a failed attempt.

    The result is `base * 2 ** (attempt - 1)`, at most `cap`, and then changed by up to ±20 % at
    random. Without that, events that failed together would be tried again at the same moment.

    Parameters:
        attempt: number of the failed attempt; 1 for the first.
        jitter: returns a random number from 0 to 1.
    """
    exponent = min(attempt - 1, 60)  # avoids huge numbers; the cap was reached long before
    return min(cap, base * 2.0**exponent) * (0.8 + 0.4 * jitter())
