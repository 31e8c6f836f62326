"""Short transactions on a connection that is kept between them."""

import contextlib
import threading

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.sql_db import Cursor

from ..postgres.transactions import use_read_committed


class Limits:
    """What the lanes of one process may take from the pool, which is there for its requests."""

    def __init__(self):
        #: transactions of all lanes at the same time
        self.together = threading.BoundedSemaphore(4)
        #: lanes that keep a connection while they wait: opening one takes as long as a claim
        self.kept = threading.BoundedSemaphore(2)


class Database:
    """A database as one lane sees it. To be closed."""

    def __init__(self, name, limits=None):
        self._name = name
        self._limits = limits or Limits()
        self._cursor = None
        self._keeps = False

    @contextlib.contextmanager
    def transaction(self, each_statement=False):
        """Yield an environment in a transaction of its own.

        READ COMMITTED: a row that another process has claimed or recorded meanwhile is then looked
        at again and passed over; under Odoo's REPEATABLE READ it is an error.

        :param each_statement: each is a transaction (autocommit), which saves the round trips that
            begin and end one
        """
        with self._limits.together:
            try:
                cr = self._open()
                if isinstance(cr, Cursor):  # Odoo's tests have one transaction for everything
                    cr.connection.autocommit = each_statement
                yield api.Environment(cr, SUPERUSER_ID, {})
                cr.commit()  # pylint: disable=invalid-commit  # its own cursor
            except BaseException:
                self.close()
                raise
            if not self._keeps:
                self.close()

    def close(self):
        """Give back the connection; an open transaction is rolled back."""
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
