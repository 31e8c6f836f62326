"""How long to wait before trying again."""

import random
from collections.abc import Callable


def delay(
    attempt: int, base: float, cap: float, jitter: Callable[[], float] = random.random
) -> float:
    """Seconds to wait after the given failed attempt (1 = the first).

    `base * 2 ** (attempt - 1)`, at most `cap`, then ±20 % so that what failed together does
    not come back together.

    Parameters:
        jitter: a number from 0 to 1.
    """
    exponent = min(attempt - 1, 60)  # beyond, the cap has long been reached
    return min(cap, base * 2.0**exponent) * (0.8 + 0.4 * jitter())
