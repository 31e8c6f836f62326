from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.modules.module import load_script
from odoo.tests import BaseCase, new_test_user, tagged

from ..models import update_webhook_retention
from ..wire.cursor import MAX_CURSOR, Cursor
from .common import FeedCase


@tagged("post_install", "-at_install")
class TestCursor(BaseCase):
    def test_the_integer_of_the_wire(self):
        for number, cursor in [
            (0, Cursor(0, 0)),
            (4711, Cursor(4711, 0)),  # as long as nothing was deleted, a position
            (2**31, Cursor(2**31, 0)),
            (2**37 + 5, Cursor(5, 1)),
            (MAX_CURSOR, Cursor(2**37 - 1, 2**16 - 1)),
        ]:
            with self.subTest(number=number):
                self.assertEqual(Cursor.decode(number), cursor)
                self.assertEqual(cursor.encode(), number)

    def test_a_cursor_that_would_mean_another_one_is_refused(self):
        for cursor in (Cursor(2**37, 1), Cursor(0, 2**16)):
            with self.subTest(cursor=cursor), self.assertRaises(OverflowError):
                cursor.encode()


@tagged("post_install", "-at_install")
class TestExpiry(FeedCase):
    """A reader is told that it has missed something, and is told so in no other case."""

    def setUp(self):
        super().setUp()
        self.forget()

    def delete(self, *names):
        """Have retention delete the events of these partners, on another day than before."""
        self.env["webhook.feed.break"].search([]).processed_before = False
        old = self.events().filtered(lambda event: self.payload(event)["name"] in names)
        self.assertEqual(len(old), len(names))
        then = fields.Datetime.now() - timedelta(days=1000)
        old.write({"is_processed": True, "processed_at": then})
        self.env.flush_all()
        with self.enter_registry_test_mode():
            while self.env["update.webhook"]._gc_delete()[1]:
                pass

    def assertExpired(self, page):
        self.assertTrue(page.get("cursor_expired"))
        self.assertIn("last_event_id 0", page["message"])
        # a reader that ignores this is sent to the start, too
        self.assertEqual((page["events"], page["last_id"], page["has_more"]), ([], 0, True))

    def test_a_reader_who_has_read_the_deleted_events_goes_on(self):
        self.record("A", "B")
        cursor = self.pull()["last_id"]
        self.delete("A", "B")
        self.record("C")
        page = self.pull(cursor)
        self.assertEqual(self.names(page), ["C"])
        self.assertNotIn("cursor_expired", page)

    def test_a_reader_who_missed_deleted_events_is_told(self):
        self.record("A", "B")
        cursor = self.pull(limit=1)["last_id"]
        self.delete("B")
        self.record("C")
        self.assertExpired(self.pull(cursor))

    def test_a_reader_who_starts_again_gets_all_events_that_are_left(self):
        """Events that nobody has confirmed are kept, before and between deleted ones."""
        self.record("A", "B", "C", "D", "E")
        cursor = self.pull(limit=1)["last_id"]
        self.delete("B", "D")
        self.assertExpired(self.pull(cursor))
        names, cursor, more = [], 0, True
        while more:
            page = self.pull(cursor, limit=1)
            names += self.names(page)
            self.assertGreater(page["last_id"], cursor)
            cursor, more = page["last_id"], page["has_more"]
        self.assertEqual(names, ["A", "C", "E"])
        # and is told if more is deleted while it is on its way
        cursor = self.pull(limit=1)["last_id"]
        self.delete("E")
        self.assertExpired(self.pull(cursor))

    def test_retention_notes_one_break_for_all_that_it_deletes(self):
        """Cursors have no room for one in each of its transactions."""
        self.record("A", "B", "C", "D")
        cursor = self.pull(limit=1)["last_id"]
        noted = self.env["webhook.feed.break"].search_count([])
        with patch.object(update_webhook_retention, "_BATCH", 1):
            self.delete("B", "C")
        self.assertEqual(self.env["webhook.feed.break"].search_count([]), noted + 1)
        self.assertExpired(self.pull(cursor))
        self.assertEqual(self.names(self.pull()), ["A", "D"])

    def test_an_event_that_retention_could_not_foresee_is_another_break(self):
        self.record("A", "B", "C")
        self.delete("A")
        cursor = self.pull(limit=1)["last_id"]
        late = self.events()[-1]
        then = fields.Datetime.now() - timedelta(days=1000)
        late.write({"is_processed": True, "processed_at": then})
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env["update.webhook"]._gc_delete()
        self.assertExpired(self.pull(cursor))

    def test_events_that_are_deleted_by_hand_count_too(self):
        self.record("A", "B")
        cursor = self.pull(limit=1)["last_id"]
        self.events()[-1].unlink()
        self.assertExpired(self.pull(cursor))

    def test_a_refused_deletion_takes_no_event_out_of_the_feed(self):
        user = new_test_user(self.env, "clerk", groups="base.group_user")
        self.forget()
        self.record("A")
        cursor = self.pull()["last_id"]
        try:  # as code that catches the error would: without a savepoint
            self.events().with_user(user).unlink()
        except AccessError:
            page = self.pull()
        self.assertEqual((self.names(page), page["last_id"]), (["A"], cursor))

    def test_the_end_of_the_feed_may_be_deleted(self):
        self.record("A")
        cursor = self.pull()["last_id"]
        self.delete("A")
        page = self.pull(cursor)
        self.assertNotIn("cursor_expired", page)
        self.record("B")
        self.assertEqual(self.names(self.pull(page["last_id"])), ["B"])

    def test_a_start_at_the_beginning_never_expires(self):
        self.record("A", "B")
        self.pull()
        self.delete("A", "B")
        self.assertEqual((self.names(self.pull()), self.pull()["has_more"]), ([], False))

    def test_a_cursor_beyond_the_end(self):
        self.record("A")
        end = self.pull()["last_id"]
        for cursor in (end + 1, 2**31 - 1, 2**37 + end, MAX_CURSOR):
            with self.subTest(cursor=cursor):
                self.assertExpired(self.pull(cursor))

    def test_a_restored_backup_is_noticed_after_it_has_grown_past_the_cursor(self):
        self.record("A", "B")
        seen = self.pull()["last_id"]
        old = self.pull(limit=1)["last_id"]
        # the backup was made when only A had a position, and is restored somewhere else
        last = self.env["webhook.feed.position"].search([], order="id DESC", limit=1)
        pending = "INSERT INTO webhook_feed_pending (id) VALUES (%s)"
        self.env.cr.execute(pending, [last.event_id.id])
        self.env.cr.execute("DELETE FROM webhook_feed_position WHERE id = %s", [last.id])
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.feed_identity", "elsewhere")
        self.record("C", "D")
        self.assertExpired(self.pull(seen))
        self.assertEqual(self.names(self.pull(old)), ["B", "C", "D"])
        page = self.pull()
        self.assertEqual(self.names(page), ["A", "B", "C", "D"])
        self.assertEqual(self.pull(page["last_id"])["last_id"], page["last_id"])

    def test_an_earlier_installation_of_the_addon_is_another_feed(self):
        self.record("A", "B")
        self.env["webhook.feed.break"].search([]).unlink()
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.feed_identity", False)
        here = Cursor.decode(self.pull(limit=1)["last_id"])
        earlier = here._replace(generation=here.generation - 1)
        self.assertExpired(self.pull(earlier.encode()))
        self.assertEqual(self.names(self.pull(here.encode())), ["B"])

    def test_cursors_of_the_old_form_expire_with_the_update(self):
        """They had 31 bits for the position, and counted periods of ten minutes."""
        self.record("A", "B")
        position = Cursor.decode(self.pull(limit=1)["last_id"]).position
        for old in (48_000, 48_000 + 9 * 4096):
            self.env.cr.execute(f"ALTER SEQUENCE webhook_feed_break_id_seq RESTART WITH {old}")
            self.env["webhook.feed.break"].create({"kind": "restored", "position": 0})
            script = "auto_webhook_odoo/migrations/19.0.0.2.0/post-cursors.py"
            load_script(script, "post_cursors").migrate(self.env.cr, "19.0.0.1.0")
            self.assertLess(Cursor.decode(self.pull()["last_id"]).generation, old)
            for generation in (old, old >> 6 << 6):
                with self.subTest(generation=generation):
                    self.assertExpired(self.pull((generation << 31) + position))

    def test_a_backup_restored_over_its_own_database_is_noticed(self):
        """As ``pg_restore --clean`` does it."""
        self.record("A", "B")
        seen = self.pull()["last_id"]
        # an autovacuum of the table gives way, but only after a second (deadlock_timeout)
        self.env.cr.execute("SET LOCAL lock_timeout = '20s'")
        self.env.cr.execute(
            """
            CREATE TABLE restored (LIKE webhook_feed_position INCLUDING ALL);
            INSERT INTO restored SELECT * FROM webhook_feed_position ORDER BY id LIMIT 1;
            ALTER SEQUENCE webhook_feed_position_id_seq OWNED BY restored.id;
            DROP TABLE webhook_feed_position;
            ALTER TABLE restored RENAME TO webhook_feed_position
            """
        )
        self.record("C", "D")
        self.assertExpired(self.pull(seen))

    def test_a_restored_backup_is_noticed_before_something_is_deleted(self):
        """The lost database may have given the same number to another break."""
        self.record("A", "B")
        position = Cursor.decode(self.pull(limit=1)["last_id"]).position
        self.env.cr.execute("SELECT last_value + 1 FROM webhook_feed_break_id_seq")
        lost = Cursor(position, self.env.cr.fetchone()[0]).encode()
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.feed_identity", "elsewhere")
        self.delete("B")
        self.assertExpired(self.pull(lost))

    def test_a_reader_of_rare_events_moves_on_with_the_feed(self):
        self.record("A")
        cursor = self.pull(models=["res.users"])["last_id"]
        self.assertEqual(cursor, self.pull()["last_id"])
        self.delete("A")
        self.assertNotIn("cursor_expired", self.pull(cursor, models=["res.users"]))

    def test_breaks_that_a_later_one_covers_are_deleted(self):
        self.record("A", "B", "C")
        self.pull()
        breaks = self.env["webhook.feed.break"]
        for name in ("C", "A", "B"):
            self.delete(name)
        breaks._gc_outdone()
        found = breaks.search([("kind", "=", "deleted")], order="id").mapped("position")
        self.assertEqual(len(found), 2)
        self.assertGreater(found[0], found[1])
