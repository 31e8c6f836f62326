"""When a failed delivery is tried again."""

JITTER = 0.2  # share of the delay by which it may be shorter or longer


def retry_delay(attempt, base, maximum, random):
    """Return the seconds to wait after the failed try number ``attempt`` (the first is 1).

    Exponential: ``base · 2^(attempt-1)``, capped at ``maximum``, ±20 % jitter so that the
    deliveries that failed together do not come back together.

    :param random: function returning a float in [0, 1), such as ``random.random``
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, got {attempt}")
    # The exponent is bounded before the power is taken: 2.0 ** 5000 raises OverflowError.
    delay = min(base * 2.0 ** min(attempt - 1, 64), maximum)
    return delay * (1 - JITTER + 2 * JITTER * random())
