import threading
import weakref
from contextlib import closing
from unittest.mock import patch

import psycopg2

from odoo.modules.registry import Registry
from odoo.tests import BaseCase, tagged
from odoo.tests.common import get_db_name

from ..delivery import database
from ..delivery.database import Database, Limits
from ..postgres.place import ElsewhereError


@tagged("post_install", "-at_install")
class TestDatabase(BaseCase):
    """How a lane uses its connection, and the state in which requests get it."""

    def setUp(self):
        super().setUp()
        self.database = self.enterContext(closing(Database(get_db_name(), Limits())))

    def backend(self, env):
        env.cr.execute("SELECT pg_backend_pid()")
        return env.cr.fetchone()[0]

    def test_the_connection_is_kept_between_transactions(self):
        with self.database.transaction() as env:
            first = self.backend(env)
        with self.database.transaction(each_statement=True) as env:
            self.assertEqual(self.backend(env), first)

    def test_a_connection_looks_once_whether_the_database_is_a_copy(self):
        place = Registry(get_db_name())["webhook.place"]
        look = self.startPatcher(patch.object(place, "_check"))
        self.startPatcher(patch.object(database, "_at_home", weakref.WeakSet()))
        limits = Limits()
        limits.kept = threading.BoundedSemaphore(1)
        kept, opened_each_time = Database(get_db_name(), limits), Database(get_db_name(), limits)
        with closing(kept), closing(opened_each_time):
            backends = set()
            for lane in (kept, kept, opened_each_time, opened_each_time):
                with lane.transaction() as env:
                    backends.add(self.backend(env))
        self.assertEqual(look.call_count, len(backends))

    def test_a_copy_gets_no_transaction(self):
        place = Registry(get_db_name())["webhook.place"]
        self.startPatcher(patch.object(place, "_check", side_effect=ElsewhereError))
        self.startPatcher(patch.object(database, "_at_home", weakref.WeakSet()))
        for _time in range(2):
            with self.assertRaises(ElsewhereError), self.database.transaction():
                self.fail("a transaction")

    def test_a_connection_that_is_given_back_is_not_in_autocommit(self):
        with self.database.transaction(each_statement=True) as env:
            backend = self.backend(env)
        self.database.close()
        with Registry(get_db_name()).cursor() as cr:
            cr.execute("SELECT pg_backend_pid()")
            self.assertEqual(cr.fetchone()[0], backend)
            self.assertFalse(cr.connection.autocommit)
            cr.execute("SHOW transaction_isolation")
            self.assertEqual(cr.fetchone()[0], "repeatable read")

    def test_each_statement_is_committed_by_itself(self):
        name = "auto_webhook_odoo.test"
        with (
            self.assertRaises(ZeroDivisionError),
            self.database.transaction(each_statement=True) as env,
        ):
            env.cr.execute(
                "INSERT INTO ir_config_parameter (key, value) VALUES (%s, 'kept')", [name]
            )
            raise ZeroDivisionError
        with self.database.transaction() as env:
            env.cr.execute("DELETE FROM ir_config_parameter WHERE key = %s", [name])
            self.assertEqual(env.cr.rowcount, 1)

    def test_a_kept_connection_that_breaks_is_replaced(self):
        with self.database.transaction() as env:
            backend = self.backend(env)
        with Registry(get_db_name()).cursor() as cr:
            cr.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        with (
            self.assertRaises(psycopg2.OperationalError),
            self.assertLogs("odoo.sql_db"),
            self.database.transaction() as env,
        ):
            self.backend(env)
        with self.database.transaction() as env:
            self.assertNotEqual(self.backend(env), backend)
