"""Transactions of our own, beside the one that Odoo opens for a request."""

import contextlib

from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

from odoo.sql_db import Cursor


def use_read_committed(cr):
    """Have a new cursor's transactions wait for rows and not fail over them.

    Under Odoo's REPEATABLE READ a row that somebody else has changed is an error, and the request
    is repeated a few times: too few for many who confirm the same events. To be used where each
    statement may see more than the one before, and where rows are locked in the order of their ids.
    """
    if isinstance(cr, Cursor):  # Odoo's tests have one transaction for everything
        cr.connection.set_isolation_level(ISOLATION_LEVEL_READ_COMMITTED)


@contextlib.contextmanager
def read_committed(env):
    """Yield the environment in a READ COMMITTED transaction of its own."""
    with env.registry.cursor() as cr:
        use_read_committed(cr)
        yield env(cr=cr)
