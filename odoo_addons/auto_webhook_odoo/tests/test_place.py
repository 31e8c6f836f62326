import json
import os
import weakref
from contextlib import contextmanager
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.modules.module import get_module_path
from odoo.tests import BaseCase, Form, tagged
from odoo.tools import html2plaintext

from ..postgres import place
from ..postgres.place import ElsewhereError, Place, instance_of
from .common import FeedCase
from .delivery_case import DeliveryCase

HOME = Place("7412", "00000001", "prod", 16384, 20000)


@tagged("post_install", "-at_install")
class TestPlace(BaseCase):
    def test_what_is_the_same_place_and_what_is_another(self):
        unknown = HOME._replace(cluster=None)
        for before, now, is_same in [
            (HOME, HOME, True),
            (HOME, HOME._replace(timeline="00000002"), True),  # a standby took over
            (HOME, HOME._replace(database_oid=1, table_oid=2), True),  # a backup restored in place
            (HOME, HOME._replace(database="prod_copy"), False),
            (HOME, HOME._replace(cluster="7413"), False),
            # the right to ask for the cluster was taken or given
            (HOME, unknown, True),
            (unknown, HOME, True),
            (unknown, unknown, True),
            # without the cluster the numbers decide
            (HOME, unknown._replace(table_oid=1), False),
            (unknown, unknown._replace(table_oid=1), False),
            (unknown, unknown._replace(database_oid=1), False),
            (unknown, unknown._replace(database="prod_copy"), False),
        ]:
            with self.subTest(before=before, now=now):
                self.assertEqual(now.is_at(before), is_same)

    def test_a_database_keeps_its_instance_while_it_stays(self):
        for now in (
            HOME._replace(timeline="00000002"),
            HOME._replace(database_oid=1, table_oid=2),
            HOME._replace(cluster=None).completed(HOME),
        ):
            with self.subTest(now=now):
                self.assertEqual(now.instance, HOME.instance)
        others = (HOME._replace(cluster="7413"), HOME._replace(database="copy"))
        self.assertEqual(len({HOME.instance, *(other.instance for other in others)}), 3)

    def test_an_instance_tells_nothing_about_the_place(self):
        self.assertRegex(HOME.instance, "^[0-9a-f]{12}$")

    def test_what_is_stored(self):
        self.assertEqual(Place.parse(HOME.as_text()), HOME._replace(timeline=None))
        self.assertEqual(instance_of(HOME.as_text()), HOME.instance)
        self.assertEqual(instance_of(""), "")

    def test_a_text_that_is_no_place_is_elsewhere(self):
        for text in ("moved", "[]", "{}", '{"cluster": 1}', "null"):
            with self.subTest(text=text):
                self.assertFalse(HOME.is_at(Place.parse(text)))


class PlaceCase(DeliveryCase):
    def setUp(self):
        super().setUp()
        self.place = self.env["webhook.place"]
        self.place._check()
        self.here, self.home = self.place._read()

    def move(self, **parts):
        """Have the database find itself elsewhere: it was another database until now."""
        self.store(self.here._replace(**(parts or {"database": "original"})))

    def store(self, home):
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.place", home.as_text())
        self.env.flush_all()

    def source(self):
        return self.env["ir.config_parameter"].get_param("database.uuid")

    def settings(self):
        return self.env["res.config.settings"].create({})


@tagged("post_install", "-at_install")
class TestElsewhere(PlaceCase):
    def test_the_place_is_noted_once(self):
        self.assertEqual(self.home, self.here._replace(timeline=None))
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.place", False)
        self.assertFalse(self.place._notice())
        sink, _subscriber = self.sink()
        self.partners(1)
        self.deliver()  # as after an update
        self.assertEqual(len(sink.events), 1)
        self.assertEqual(self.place._read()[1], self.home)

    def test_a_copy_pushes_nothing(self):
        sink, subscriber = self.sink()
        self.partners(2)
        self.move()
        self.partners(1)
        with self.assertRaises(ElsewhereError):
            self.deliver()
        self.assertFalse(sink.requests)
        deliveries = self.env["webhook.delivery"].search([])
        self.assertEqual(deliveries.mapped("state"), ["pending"] * 3)
        self.assertFalse(any(deliveries.mapped("leased_until")))
        self.assertIn("“original”", subscriber.elsewhere)
        self.assertIn(f"“{self.env.cr.dbname}”", subscriber.elsewhere)

    def test_a_test_and_a_sample_are_refused(self):
        sink, subscriber = self.sink()
        self.move()
        with self.assertRaisesRegex(UserError, "may be a copy"):
            subscriber.action_test()
        self.assertFalse(sink.requests)

    def test_a_connection_is_asked_once_and_the_parameter_each_time(self):
        connections = weakref.WeakKeyDictionary()
        with (
            patch.object(place, "_places", connections),
            patch.object(place, "read", side_effect=place.read) as read,
        ):
            self.assertFalse(self.place._notice())
            self.move()
            self.assertTrue(self.place._notice())
            self.assertEqual(self.place._instance(), self.here.instance)
        self.assertEqual(read.call_count, 1)

    def test_this_is_the_original(self):
        sink, subscriber = self.sink()
        partners = self.partners(2)
        self.move(cluster="1")
        source = self.source()
        self.settings().action_webhook_original()
        self.deliver()
        self.assertEqual({event["record_id"] for event in sink.events}, set(partners.ids))
        self.assertEqual(self.source(), source)
        self.assertEqual(subscriber.state, "enabled")
        self.assertFalse(self.settings().webhook_elsewhere)

    def test_a_parameter_that_somebody_has_spoilt_can_be_mended(self):
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.place", "somewhere")
        self.env.flush_all()
        self.assertIn("“somewhere”", self.place._notice())
        self.settings().action_webhook_original()
        self.assertFalse(self.place._notice())

    def test_this_is_a_copy(self):
        sink, subscriber = self.sink(auth_type="bearer", auth_token="secret")
        self.partners(1)
        self.move()
        source, instance = self.source(), self.home.instance
        self.settings().action_webhook_copy()
        self.assertNotEqual(self.source(), source)
        self.assertEqual(subscriber.state, "disabled")
        self.assertFalse(subscriber.auth_token or subscriber.signing_secret)
        self.assertFalse(self.settings().webhook_elsewhere)
        self.assertEqual(self.settings().webhook_instance, instance)
        self.partners(1)
        self.deliver()
        self.assertFalse(sink.requests)
        # it is a database like any other now
        subscriber.write({"auth_token": "another", "state": "enabled"})
        self.deliver()
        self.assertEqual(len(sink.events), 2)
        self.assertEqual(json.loads(sink.requests[0][1])["source"], self.source())

    def test_only_system_administrators_decide(self):
        manager = self.webhook_user("manager")
        self.move()
        for decide in ("_declare_original", "_declare_copy"):
            with self.subTest(decide=decide), self.assertRaises(AccessError):
                getattr(self.place.with_user(manager), decide)()
        self.assertTrue(self.place._notice())

    def test_a_neutralised_copy_is_another_source_and_asks_nothing(self):
        source = self.source()
        self.move()
        with open(f"{get_module_path('auto_webhook_odoo')}/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        self.env.invalidate_all()
        self.env.registry.clear_cache("stable")
        self.assertNotEqual(self.source(), source)
        self.assertFalse(self.place._notice())
        self.place._check()
        self.assertEqual(self.place._read()[1], self.home)

    def test_rights_that_change_raise_no_question(self):
        if not self.here.cluster:
            self.skipTest("the role of the tests may not ask for the cluster")
        self.store(self.here._replace(cluster=None))
        self.place._check()
        self.assertEqual(self.place._read()[1], self.home)  # it has learnt the cluster

    def test_a_backup_restored_in_place_raises_no_question(self):
        if not self.here.cluster:
            self.skipTest("the role of the tests may not ask for the cluster")
        self.move(database_oid=1, table_oid=2)
        self.place._check()
        self.assertEqual(self.place._read()[1], self.home)  # it has learnt the numbers

    def test_what_an_administrator_sees(self):
        self.sink()
        self.partners(3)
        self.env.cr.flush()
        self.assertFalse(self.settings().webhook_elsewhere)
        self.move(cluster="1")
        settings = self.settings()
        self.assertIn("cluster 1", settings.webhook_elsewhere)
        self.assertEqual(settings.webhook_waiting, "3")
        with Form(self.env["res.config.settings"]) as form:
            self.assertIn("may be a copy", form.webhook_elsewhere)

    def test_the_subscribers_views_say_so(self):
        _sink, subscriber = self.sink()
        for user in (self.env.ref("base.user_admin"), self.webhook_user("manager")):
            for view_type in ("list", "form"):
                with self.subTest(user=user.login, view_type=view_type):
                    view = subscriber.with_user(user).get_view(view_type=view_type)
                    self.assertIn("elsewhere", view["arch"])


@tagged("post_install", "-at_install")
class TestNotice(PlaceCase):
    def told(self):
        kind = self.env.ref("auto_webhook_odoo.activity_database_elsewhere")
        return self.env["mail.activity"].search([("activity_type_id", "=", kind.id)])

    def test_administrators_are_told_once(self):
        self.place._update_notices()
        self.assertFalse(self.told())
        self.move()
        self.place._update_notices()
        self.place._update_notices()
        administrators = self.env.ref("base.group_system").all_user_ids.filtered("active")
        self.assertTrue(administrators)
        self.assertEqual(self.told().user_id, administrators)
        self.assertEqual(len(self.told()), len(administrators))
        self.assertIn("“original”", html2plaintext(self.told()[0].note))

    def test_who_has_marked_it_as_done_is_told_no_more(self):
        self.move()
        self.place._update_notices()
        self.told().unlink()
        self.place._update_notices()
        self.assertFalse(self.told())

    def test_a_decision_ends_it_and_the_next_move_begins_anew(self):
        for decide in ("action_webhook_original", "action_webhook_copy"):
            self.move()
            self.place._update_notices()
            self.assertTrue(self.told())
            getattr(self.settings(), decide)()
            self.assertFalse(self.told())

    def test_it_ends_when_the_database_is_back(self):
        self.move()
        self.place._update_notices()
        self.store(self.home)
        self.place._update_notices()
        self.assertFalse(self.told())


@tagged("post_install", "-at_install")
class TestInstance(FeedCase, PlaceCase):
    def test_pushes_and_pages_name_the_same_one(self):
        sink, _subscriber = self.sink()
        self.partners(1)
        self.deliver()
        pushed = sink.requests[0][0]["X-Odoo-Instance"]
        self.assertEqual(self.pull()["instance"], pushed)
        self.assertEqual(self.settings().webhook_instance, pushed)

    def test_a_copy_names_another_one(self):
        self.record("A")
        before = self.pull()["instance"]
        # the page names the place where the database is now, and that has not changed
        self.move()
        self.assertEqual(self.pull()["instance"], before)
        self.assertNotEqual(self.place._read()[1].instance, before)

    def test_a_standby_that_takes_over_is_the_same_database(self):
        """It has another timeline. Nobody who has read nothing that is lost starts again."""
        self.record("A", "B")
        page, breaks = self.pull(limit=1), self.env["webhook.feed.break"].search_count([])
        parameters = self.env["ir.config_parameter"]
        identity = parameters.get_param("auto_webhook_odoo.feed_identity").split("/")
        identity[1] = "000000AA"
        parameters.set_param("auto_webhook_odoo.feed_identity", "/".join(identity))
        for names in (["B", "C"], ["D"]):
            self.record(names[-1])
            page = self.pull(page["last_id"])
            self.assertEqual(self.names(page), names)
        self.assertEqual(self.env["webhook.feed.break"].search_count([]), breaks + 1)
        self.assertFalse(self.place._notice())

    def test_every_page_names_it(self):
        self.record("A")
        instance = self.here.instance
        self.assertEqual(self.pull(2**53 - 1)["instance"], instance)  # an expired cursor
        self.assertEqual(self.pull(self.pull()["last_id"])["instance"], instance)


@tagged("post_install", "-at_install")
class TestRefusedFunctions(FeedCase, PlaceCase):
    """Managed PostgreSQL refuses functions, as AWS Aurora does those of the write-ahead log."""

    def setUp(self):
        super().setUp()
        self.forget()
        self.env.cr.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not self.env.cr.fetchone()[0]:
            self.skipTest("only a superuser can take these rights from everybody")
        # all of this ends with the transaction of the test
        self.role = f"webhook_plain_{os.getpid()}"
        self.env.cr.execute(
            f"""
            CREATE ROLE {self.role};
            GRANT ALL ON SCHEMA public TO {self.role};
            GRANT ALL ON ALL TABLES IN SCHEMA public TO {self.role};
            GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {self.role};
            """
        )

    @contextmanager
    def refused(self, *functions):
        """Be a plain role that may not call these functions."""
        cr = self.env.cr
        for function in functions:
            cr.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        cr.execute(f"SET LOCAL ROLE {self.role}")
        yield
        self.env.flush_all()  # as the plain role
        cr.execute("RESET ROLE")
        for function in functions:
            cr.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")

    WAL = ("pg_current_wal_lsn()", "pg_walfile_name(pg_lsn)")
    ALL = (*WAL, "pg_control_system()")

    def breaks(self):
        return self.env["webhook.feed.break"].search([]).mapped("kind")

    def test_the_feed_and_retention_work(self):
        for functions in (("pg_current_wal_lsn()",), self.WAL, self.ALL):
            with self.subTest(functions=functions):
                self.forget()
                self.record("A", "B")
                with self.refused(*functions):
                    found, _identity = place.read(self.env.cr, "webhook_feed_position", "")
                    self.assertIsNone(found.timeline)
                    self.assertEqual(self.names(self.pull()), ["A", "B"])
                    self.events().write({"is_processed": True, "processed_at": "2020-01-01"})
                    self.env.flush_all()
                    with self.enter_registry_test_mode():
                        self.env["update.webhook"]._gc_delete()
                    self.assertEqual(self.names(self.pull()), [])

    def test_no_cursor_expires_because_rights_change(self):
        self.record("A", "B")
        page = self.pull()
        before = self.breaks()
        for functions in (self.ALL, self.WAL, ("pg_control_system()",)):
            with self.subTest(functions=functions), self.refused(*functions):
                self.record("C")
                page = self.pull(page["last_id"])
                self.assertEqual(self.names(page), ["C"])
            self.record("D")
            page = self.pull(page["last_id"])
            self.assertEqual(self.names(page), ["D"])
        self.assertEqual(self.breaks(), before)

    def test_a_restored_backup_is_noticed_by_what_is_left(self):
        with self.refused(*self.ALL):
            self.record("A", "B")
            seen = self.pull()["last_id"]
            identity = self.env["ir.config_parameter"].get_param("auto_webhook_odoo.feed_identity")
            self.assertRegex(identity, r"^//\d+/\d+$")
            self.env["ir.config_parameter"].set_param(
                "auto_webhook_odoo.feed_identity", identity + "1"
            )
            self.env.cr.execute(
                "DELETE FROM webhook_feed_position"
                " WHERE id = (SELECT max(id) FROM webhook_feed_position)"
            )
            self.record("C", "D")
            self.assertTrue(self.pull(seen).get("cursor_expired"))

    def test_a_plain_role_pushes(self):
        sink, _subscriber = self.sink()
        self.partners(1)
        with self.refused(*self.ALL):
            self.deliver()
        self.assertEqual(len(sink.events), 1)

    def test_a_copy_pushes_nothing(self):
        sink, _subscriber = self.sink()
        self.partners(1)
        self.move(database_oid=1)
        with self.refused(*self.ALL), self.assertRaises(ElsewhereError):
            self.deliver()
        self.assertFalse(sink.requests)
