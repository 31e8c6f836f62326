import base64
import json
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import BaseCase, new_test_user, tagged

from ..models import webhook_bootstrap
from ..wire.mark import Mark
from .common import FeedCase
from .common_http import FeedHttpCase

CONSUMER = "auto_webhook_odoo.group_webhook_consumer"


class BootstrapCase(FeedCase):
    """Records tags, of which there are few, and contacts."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.partner.category"].search([]).unlink()
        cls.tag_config = cls.configure("res.partner.category", priority="high")
        cls.phone = cls.webhook_user("consumer", "phone")
        cls.Tag = cls.env["res.partner.category"]
        cls.tags = cls.Tag.create([{"name": f"T{number}"} for number in range(5)])

    def setUp(self):
        super().setUp()
        self.forget()

    def page(self, after=None, limit=100, user=None, models=("res.partner.category",)):
        """Return ``(events, head)`` of a page."""
        self.env.flush_all()
        with self.enter_registry_test_mode():
            bootstrap = self.env["webhook.bootstrap"].with_user(user or self.phone)
            mark = after and Mark.decode(after)
            page = bootstrap._read_page(mark, limit, models=list(models or ()))
        return [json.loads(event) for event in page.events], page.head

    def pages(self, **kwargs):
        """Return the events of each page to the end, and the last head."""
        found, after = [], None
        while True:
            events, head = self.page(after, **kwargs)
            found.append(events)
            after = head["after"]
            self.assertEqual(head["has_more"], after is not None)
            self.assertEqual(head["count"], len(events))
            if not head["has_more"]:
                return found, head

    def ids(self, **kwargs):
        return [event["record_id"] for page in self.pages(**kwargs)[0] for event in page]


@tagged("post_install", "-at_install")
class TestBootstrap(BootstrapCase):
    def test_a_record_is_a_snapshot_that_no_confirmation_can_name(self):
        events, head = self.page(limit=1)
        (event,) = events
        self.assertEqual(event["payload"]["name"], "T0")
        self.assertEqual(event["payload"]["_metadata"], {"snapshot": True})
        self.assertRegex(event.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        del event["payload"]
        nothing = ("changed_fields", "old_values", "user_id", "user_name", "company_id")
        self.assertEqual(
            event,
            {
                "id": 0,
                "model": "res.partner.category",
                "record_id": self.tags[0].id,
                "event": "create",
                "priority": "high",
                "category": "business",
                **dict.fromkeys(nothing),
            },
        )
        self.assertEqual(head.keys() - self.pull(user=self.phone).keys(), {"after"})
        self.assertFalse(self.events())

    def test_it_has_the_form_of_an_event_of_the_feed(self):
        self.Tag.create({"name": "New"})
        (recorded,) = self.pull(user=self.phone)["events"]
        snapshot = self.page()[0][-1]
        self.assertEqual(list(snapshot), list(recorded))
        snapshot["payload"].pop("_metadata")
        self.assertEqual(snapshot["payload"], recorded["payload"])

    def test_pages_in_the_order_of_the_ids(self):
        pages, _head = self.pages(limit=2)
        found = [[event["record_id"] for event in page] for page in pages]
        self.assertEqual(found, [self.tags[:2].ids, self.tags[2:4].ids, self.tags[4:].ids])

    def test_all_models_that_are_recorded_one_after_the_other(self):
        partners = self.env["res.partner"].with_context(active_test=False).search([], order="id")
        self.assertEqual(self.ids(models=None, limit=7), partners.ids + self.tags.ids)
        self.tag_config.active = False
        self.assertEqual(self.ids(models=None, limit=1000), partners.ids)

    def test_the_cursor_is_that_of_the_first_page_and_nothing_is_missed(self):
        _events, first = self.page(limit=2)
        self.tags[0].name = "changed"
        self.next_transaction()
        self.tags[4].unlink()
        self.next_transaction()
        new = self.Tag.create({"name": "New"})
        self.next_transaction()
        events, second = self.page(first["after"], limit=100)
        self.assertEqual(second["last_id"], first["last_id"])
        self.assertEqual([event["record_id"] for event in events], self.tags[2:4].ids + new.ids)
        told = self.pull(first["last_id"], user=self.phone)["events"]
        names = [(event["event"], event["payload"]["name"]) for event in told]
        self.assertEqual(names, [("write", "changed"), ("unlink", "T4"), ("create", "New")])

    def test_the_configuration_decides_what_is_sent(self):
        field = self.env["ir.model.fields"]._get("res.partner.category", "name")
        self.tag_config.payload_field_ids = field
        self.tag_config.filter_domain = "[('name', '!=', 'T3')]"
        (events,), _head = self.pages()
        sent = [event["payload"] for event in events]
        metadata = {"_metadata": {"snapshot": True}}
        self.assertEqual(sent, [{"name": f"T{n}", **metadata} for n in (0, 1, 2, 4)])

    def test_archived_records_are_sent(self):
        self.tags[1].active = False
        self.assertEqual(self.ids(), self.tags.ids)

    def test_pages_are_bounded_by_bytes(self):
        size = len(json.dumps(self.page()[0][0]))
        with patch.object(webhook_bootstrap, "PAGE_BYTES", 2 * size + size // 2):
            pages, _head = self.pages()
        self.assertEqual([len(page) for page in pages], [2, 2, 1])
        with patch.object(webhook_bootstrap, "PAGE_BYTES", 1):
            self.assertEqual(self.ids(), self.tags.ids)

    def test_a_payload_that_is_too_large_is_reduced(self):
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.payload_limit", "10")
        metadata = self.page()[0][0]["payload"]
        self.assertEqual(metadata, {"_metadata": {"snapshot": True, "reduced_to": "nothing"}})

    def test_a_cursor_that_broke_meanwhile(self):
        self.Tag.create({"name": "New"})
        self.pull()
        _events, head = self.page(limit=2)
        self.Tag.create({"name": "Newer"})
        self.pull()
        self.env["webhook.feed.break"]._note_deletion(self.events().ids)
        events, expired = self.page(head["after"])
        self.assertEqual((events, expired["cursor_expired"]), ([], True))
        self.assertEqual(
            (expired["after"], expired["last_id"], expired["has_more"]), (None, 0, True)
        )
        self.assertIn("without 'after'", expired["message"])
        again, head = self.page()
        self.assertNotIn("cursor_expired", head)
        self.assertEqual(len(again), 7)


@tagged("post_install", "-at_install")
class TestWhatBootstrapShows(BootstrapCase):
    """The visibility is that of the feed."""

    def test_models_of_the_user(self):
        tag_model = self.env["ir.model"]._get_id("res.partner.category")
        self.phone.write({"webhook_scope": "some", "webhook_model_ids": [Command.set([tag_model])]})
        self.assertEqual(self.ids(models=None), self.tags.ids)
        with self.assertRaises(AccessError):
            self.page(models=["res.partner"])

    def test_models_that_do_not_exist(self):
        _events, head = self.page(models=["no.such.model", "res.partner.category"])
        self.assertEqual(head["unknown_models"], ["no.such.model"])
        with self.assertRaises(ValidationError):
            self.page(models=["no.such.model"])

    def test_companies_of_the_user(self):
        other = self.env["res.company"].create({"name": "Other"})
        contacts = self.env["res.partner"].create(
            [
                {"name": "Ours", "company_id": self.env.company.id},
                {"name": "Theirs", "company_id": other.id},
                {"name": "Everybody's"},
            ]
        )
        found = self.ids(models=["res.partner"], limit=3)
        self.assertEqual([i for i in found if i in contacts.ids], [contacts[0].id, contacts[2].id])

    def test_records_that_say_otherwise_who_sees_them(self):
        """A company is seen by its own users, although it has no field ``company_id``."""
        self.configure("res.company")
        other = self.env["res.company"].create({"name": "Other"})
        self.assertEqual(self.ids(models=["res.company"]), self.phone.company_ids.ids)
        self.phone.company_ids |= other
        self.assertIn(other.id, self.ids(models=["res.company"]))

    def test_users_outside_of_the_group(self):
        clerk = new_test_user(self.env, "clerk", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.page(user=clerk)

    def test_record_rules(self):
        """A reader who may read few records gets them all, in pages that may be empty."""
        phone = new_test_user(self.env, "follower", groups=f"base.group_user,{CONSUMER}")
        tag_model = self.env["ir.model"]._get_id("res.partner.category")
        self.env["ir.rule"].create(
            {
                "name": "Mine",
                "model_id": tag_model,
                "domain_force": str([("name", "in", ["T1", "T4"])]),
            }
        )
        self.patch(type(self.Tag)._fields["color"], "groups", "base.group_system")
        for chunk, scanned, limit in ((1, 1, 1), (2, 4, 1), (1000, 10_000, 1), (1000, 10_000, 100)):
            with (
                self.subTest(chunk=chunk, scanned=scanned, limit=limit),
                patch.object(webhook_bootstrap, "_CHUNK", chunk),
                patch.object(webhook_bootstrap, "_SCANNED", scanned),
            ):
                pages, _head = self.pages(limit=limit, user=phone)
                events = [event for page in pages for event in page]
                ids = [event["record_id"] for event in events]
                self.assertEqual(ids, [self.tags[1].id, self.tags[4].id])
                self.assertTrue(all("color" not in event["payload"] for event in events))


@tagged("post_install", "-at_install")
class TestMark(BaseCase):
    def test_a_mark_comes_back(self):
        for mark in (Mark(0), Mark(2**53 - 1, "res.partner", 2**31 - 1), Mark(5, "ö", 1)):
            self.assertEqual(Mark.decode(mark.encode()), mark)
            self.assertRegex(mark.encode(), r"^[\w-]+$")

    def test_anything_else_is_refused(self):
        made_up = ([], [1], [1, "a"], [1, "a", -1], [-1, "a", 1], [2**53, "a", 1], ["1", "a", 1],
                   [True, "a", 1], [1, "a", 2**31], {}, 5, None)  # fmt: skip
        texts = [base64.urlsafe_b64encode(json.dumps(value).encode()).decode() for value in made_up]
        for text in (*texts, "", "x", "*", "ö", "a" * 999, "AAAA"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                Mark.decode(text)


@tagged("post_install", "-at_install")
class TestBootstrapOverHttp(FeedHttpCase):
    def setUp(self):
        super().setUp()
        self.env.registry.clear_cache()  # an uncommitted configuration is not published
        self.addCleanup(self.env.registry.clear_cache)

    def test_get_and_post(self):
        partners = self.env["res.partner"].with_context(active_test=False).search([], order="id")
        status, page = self.call("bootstrap?models=res.partner&limit=2", key="consumer")
        self.assertEqual(status, 200)
        self.assertEqual([event["record_id"] for event in page["events"]], partners[:2].ids)
        body = {"models": ["res.partner"], "limit": 2, "after": page["after"]}
        _status, posted = self.call("bootstrap", body, "consumer")
        _status, got = self.call(
            f"bootstrap?models=res.partner&limit=2&after={page['after']}", key="consumer"
        )
        self.assertEqual(posted["events"], [event | {"timestamp": posted["events"][0]["timestamp"]}
                                            for event in got["events"]])  # fmt: skip
        self.assertEqual([event["record_id"] for event in got["events"]], partners[2:4].ids)

    def test_wrong_parameters_are_refused(self):
        for body in ({"after": "nonsense"}, {"after": 5}, {"limit": 0}, {"modles": []}):
            with self.subTest(body=body):
                self.assertRefused(self.call("bootstrap", body), 400, "invalid_request")
        self.assertRefused(self.call("bootstrap", key=None), 401, "unauthorized")

    def test_what_it_shows_cannot_be_confirmed(self):
        _status, page = self.call("bootstrap?limit=1")
        ids = [event["id"] for event in page["events"]]
        self.assertRefused(self.call("mark-processed", {"event_ids": ids}), 400, "invalid_request")

    def test_latest(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.next_transaction()
        partner.name = "Ada Lovelace"
        for query, wanted in (("", ["create", "write"]), ("&latest=true", ["write"])):
            _status, page = self.call(f"pull?models=res.partner&limit=1000{query}", key="consumer")
            mine = [event for event in page["events"] if event["record_id"] == partner.id]
            self.assertEqual([event["event"] for event in mine], wanted)
            self.assertEqual(page["count"], len(page["events"]))
        body = {"latest": True, "include_processed": False}
        self.assertRefused(self.call("pull", body), 400, "invalid_request")
