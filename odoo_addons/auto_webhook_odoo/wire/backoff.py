"""When a failed delivery is tried again."""

JITTER = 0.2  # share of the delay by which it may become shorter or longer


def retry_delay(attempt, base, maximum, random):
    """Return the seconds to wait after attempt number ``attempt`` has failed (the first is 1).

    The delay is exponential: ``base · 2^(attempt-1)``, at most ``maximum``, with ±20 % jitter.
    Jitter keeps deliveries that failed together from coming back together.

    :param random: function that returns a float in [0, 1), such as ``random.random``
    :raises ValueError: if ``attempt`` is less than 1
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, got {attempt}")
    # The exponent is limited first, because 2.0 ** 5000 raises OverflowError.
    delay = min(base * 2.0 ** min(attempt - 1, 64), maximum)
    return delay * (1 - JITTER + 2 * JITTER * random())
