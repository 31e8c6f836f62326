"""Everything needed to run the real thing on a plain machine: Odoo, PostgreSQL, Redis, receiver.

Used by `make demo`, the tests and the benchmarks alike. What it downloads, builds or runs lives
in the cache folder (see `cache.py`); the machine itself is left as it was.

`bootstrap` and what it imports run on the bare system Python, before anything is installed: they
may import the standard library only, as each of them says.
"""


class DevstackError(Exception):
    """Something expected went wrong; the message tells the reader what to do about it."""
