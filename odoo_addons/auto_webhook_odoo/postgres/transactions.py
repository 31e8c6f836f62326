"""Transactions of the addon, beside the one that Odoo opens for a request."""

import contextlib

from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

from odoo.sql_db import Cursor


def use_read_committed(cr):
    """Make a new cursor's transactions READ COMMITTED: they wait for a locked row and then go on.

    Under Odoo's REPEATABLE READ, a row that another transaction has changed is an error. Odoo then
    repeats the request, but only a few times: too few if many clients confirm the same events. Use
    this only where each statement may see more than the one before, and where rows are locked in
    the order of their ids.
    """
    if isinstance(cr, Cursor):  # in Odoo's tests all cursors share one transaction
        cr.connection.set_isolation_level(ISOLATION_LEVEL_READ_COMMITTED)


@contextlib.contextmanager
def read_committed(env):
    """Yield the environment in a READ COMMITTED transaction of its own."""
    with env.registry.cursor() as cr:
        use_read_committed(cr)
        yield env(cr=cr)
