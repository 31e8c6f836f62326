"""Short transactions on a connection that is kept between them."""

import contextlib
import threading
import weakref

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.sql_db import Cursor

from ..postgres.transactions import use_read_committed

#: Connections to databases that are where they are the originals. A connection cannot move to
#: another database, so one look is enough.
_at_home = weakref.WeakSet()


class Limits:
    """The share of Odoo's connection pool for the lanes of one process. Requests need the rest."""

    def __init__(self):
        #: how many transactions all lanes may have open at the same time
        self.together = threading.BoundedSemaphore(4)
        #: how many lanes may keep a connection while they wait; opening one takes as long as a
        #: claim
        self.kept = threading.BoundedSemaphore(2)


class Database:
    """The connection of one lane to its database. The lane must close it."""

    def __init__(self, name, limits=None):
        self._name = name
        self._limits = limits or Limits()
        self._cursor = None
        self._keeps = False

    @contextlib.contextmanager
    def transaction(self, each_statement=False):
        """Yield an environment in a transaction of its own.

        The transaction is READ COMMITTED: if another process has claimed or recorded a row
        meanwhile, PostgreSQL looks at the row again and passes over it. Under Odoo's REPEATABLE
        READ this would be an error.

        :raises ElsewhereError: if the database may be a copy; nothing may be pushed then
        :param each_statement: make each statement its own transaction (autocommit), which saves the
            round trips that begin and end a transaction
        """
        with self._limits.together:
            try:
                cr = self._open()
                env = api.Environment(cr, SUPERUSER_ID, {})
                if isinstance(cr, Cursor):  # in Odoo's tests all cursors share one transaction
                    cr.connection.autocommit = each_statement
                _check_place(env)
                yield env
                cr.commit()  # pylint: disable=invalid-commit  # its own cursor
            except BaseException:
                self.close()
                raise
            if not self._keeps:
                self.close()

    def close(self):
        """Give the connection back; an open transaction is rolled back."""
        cursor, self._cursor = self._cursor, None
        try:
            if cursor:
                cursor.close()
        finally:
            if self._keeps:
                self._keeps = False
                self._limits.kept.release()

    def _open(self):
        registry = Registry(self._name)
        if self._cursor and self._cursor.transaction.registry is not registry:
            self.close()  # modules were installed or updated
        if not self._cursor:
            self._cursor = registry.cursor()
            use_read_committed(self._cursor)
            self._keeps = self._limits.kept.acquire(blocking=False)
        return self._cursor


def _check_place(env):
    """Check, once per connection, that the database is no copy.

    :raises ElsewhereError: if it may be one
    """
    connection = env.cr.connection if isinstance(env.cr, Cursor) else None
    if connection in _at_home:
        return
    env["webhook.place"]._check()
    if connection:
        _at_home.add(connection)
