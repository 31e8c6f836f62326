import contextlib
import datetime
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, Command, api
from odoo.exceptions import AccessError, ValidationError
from odoo.modules.module import get_module_path
from odoo.modules.registry import Registry
from odoo.sql_db import Cursor
from odoo.tests import BaseCase, Form, tagged
from odoo.tests.common import get_db_name
from odoo.tools import mute_logger

from .common import WebhookCase

_URL = "https://example.com/hook/canary-url"
_SECRET = "whsec_" + "c2VjcmV0" * 4

#: Values that some column of PostgreSQL refuses, or that Odoo converts in an odd way.
_HOSTILE = (
    *(2**31, 2**40, -(2**40), 10**400, -1, 0, True, 1e300, float("inf"), float("nan")),
    *("", "abc", "a\0b", "\ud800", "9" * 5000, "1e400", b"\xff", "0000-00-00", "99999-01-01"),
    *([], [1], [2**40], {}, {"id": 2**40}, {"id": "a'b"}, {"a": "\0"}, ["\ud800"]),
    *(datetime.date.min, datetime.datetime.max, (2**40, "name"), False, None),
)


@contextlib.contextmanager
def statements_that_fail():
    """Yield a list that gets each statement which fails, with its values."""
    failed = []
    execute = Cursor.execute

    def watch(cr, query, params=None, log_exceptions=True):
        try:
            return execute(cr, query, params, log_exceptions)
        except Exception:
            failed.append(f"{query!r} {params!r}")
            raise

    with patch.object(Cursor, "execute", watch):
        yield failed


@tagged("post_install", "-at_install")
class TestStatements(WebhookCase):
    """Odoo and PostgreSQL log a statement that fails, so none with a secret may fail."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscribers = cls.env["webhook.subscriber"].with_context(tracking_disable=True)
        cls.values = {
            "name": "Sink",
            "url": _URL,
            "auth_token": "canary-token",
            "signing_secret": _SECRET,
            "oauth_client_secret": "canary-client",
        }
        cls.subscriber = cls.subscribers.create(cls.values)
        cls.header_values = {
            "subscriber_id": cls.subscriber.id,
            "name": "X-Key",
            "value": "canary-header",
        }

    def survives(self, call):
        """Call, whether the values are refused or not, and save in the end."""
        savepoint = self.env.cr.savepoint(flush=False)
        with contextlib.closing(savepoint), contextlib.suppress(Exception):
            call()
            self.env.flush_all()
        self.env.clear()

    def assertNoneFails(self, model, values):
        columns = [
            name for name, field in model._fields.items() if field.store and field.column_type
        ]
        self.assertIn("create_uid", columns)
        record = model.create(values)
        with statements_that_fail() as failed, self.assertNoLogs("odoo.sql_db"):
            for name in columns:
                for hostile in _HOSTILE:
                    wrong = {**values, name: hostile}
                    self.survives(lambda: model.create(wrong))  # noqa: B023  # called at once
                    self.survives(lambda: record.write(wrong))  # noqa: B023
            for hostile in (2**40, "a\0b", None):
                for name in columns:
                    default = model.with_context(**{f"default_{name}": hostile})
                    rest = {key: value for key, value in values.items() if key != name}
                    self.survives(lambda: default.create(rest))  # noqa: B023
                    self.survives(lambda: record.copy({name: hostile}))  # noqa: B023
        self.assertFalse(failed)

    def test_no_value_of_a_subscriber_makes_a_statement_fail(self):
        self.assertNoneFails(self.subscribers, self.values)

    def test_no_value_of_a_header_makes_a_statement_fail(self):
        self.subscriber.header_ids = False
        self.assertNoneFails(self.env["webhook.subscriber.header"], self.header_values)

    def test_these_tests_would_see_a_statement_that_fails(self):
        with (
            patch.object(type(self.subscribers), "_check_values"),
            statements_that_fail() as failed,
            mute_logger("odoo.sql_db"),
        ):
            self.survives(lambda: self.subscribers.create({**self.values, "batch_limit": 2**40}))
        self.assertIn("canary-token", failed[0])

    def test_wrong_values_are_refused_in_words(self):
        other = self.env["res.users"].create({"name": "Gone", "login": "gone"})
        other.unlink()
        for wrong, text in (
            ({"consecutive_failures": 2**40}, "Consecutive Failures"),
            ({"name": "a\0b"}, "Name"),
            ({"api_key_header": "\ud800"}, "Header"),
            ({"state": "unknown"}, "State"),
            ({"state": ""}, "State"),
            ({"receiver_user_id": other.id}, "Receiver's User is a record that does not exist"),
            ({"receiver_user_id": "1"}, "Receiver's User"),
            ({"own_headers": [["X", "y"]]}, "Own Headers"),
            ({"timeout": 0}, "between 1 and"),
            ({"url": None}, "URL cannot be empty"),
        ):
            with self.subTest(**wrong):
                with self.assertRaisesRegex(ValidationError, text):
                    self.subscribers.create({**self.values, **wrong})
                with self.assertRaisesRegex(ValidationError, text):
                    self.subscriber.write(wrong)
        with self.assertRaisesRegex(ValidationError, "URL cannot be empty"):
            self.subscribers.create({"name": "No URL"})


@tagged("post_install", "-at_install")
class TestSecretsAndSender(BaseCase):
    """These tests need two real transactions."""

    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        with self.registry.cursor() as cr:
            subscribers = api.Environment(cr, SUPERUSER_ID, {})["webhook.subscriber"]
            header = {"name": "X-Key", "value": "abc"}
            self.subscriber_id = subscribers.create(
                {"name": "Sink", "url": _URL, "header_ids": [Command.create(header)]}
            ).id
        self.addCleanup(self.remove)

    def remove(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM webhook_subscriber WHERE id = %s", [self.subscriber_id])

    def test_a_collision_with_the_sender_logs_no_secret(self):
        header = {"name": "X-Other", "value": "abc"}
        for change in (
            lambda subscriber: subscriber.write({"auth_token": "abc"}),
            lambda subscriber: subscriber.write({"signing_secret": _SECRET}),
            lambda subscriber: subscriber.write({"url": "https://example.org/token"}),
            lambda subscriber: subscriber.write({"oauth_client_secret": "abc"}),
            lambda subscriber: subscriber.write({"header_ids": [Command.create(header)]}),
            lambda subscriber: subscriber.header_ids.create(
                {"name": "X-Third", "value": "abc", "subscriber_id": subscriber.id}
            ),
            lambda subscriber: subscriber.header_ids[0].write({"value": "def"}),
            lambda subscriber: subscriber.header_ids[0].unlink(),
        ):
            with self.registry.cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                subscriber = env["webhook.subscriber"].browse(self.subscriber_id)
                self.assertEqual(subscriber.name, "Sink")  # the transaction has begun
                with self.registry.cursor() as senders:
                    senders.execute(
                        "UPDATE webhook_subscriber SET last_success = now() WHERE id = %s",
                        [self.subscriber_id],
                    )
                with self.assertNoLogs("odoo.sql_db"), self.assertRaises(SerializationFailure):
                    change(subscriber)
                    env.flush_all()
                cr.rollback()  # Odoo does, and tries again
                change(subscriber)
                env.flush_all()

    def test_a_user_who_is_deleted_meanwhile_makes_no_secret_logged(self):
        with self.registry.cursor() as cr:
            users = api.Environment(cr, SUPERUSER_ID, {})["res.users"]
            user = users.create({"name": "Leaver", "login": "leaver"})
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            subscriber = env["webhook.subscriber"].browse(self.subscriber_id)
            self.assertEqual(subscriber.name, "Sink")  # the transaction has begun
            with self.registry.cursor() as others:
                api.Environment(others, SUPERUSER_ID, {})["res.users"].browse(user.id).unlink()
            with self.assertNoLogs("odoo.sql_db"), self.assertRaises(SerializationFailure):
                subscriber.write({"auth_token": "abc", "receiver_user_id": user.id})
            cr.rollback()
            with self.assertRaises(ValidationError):
                subscriber.write({"auth_token": "abc", "receiver_user_id": user.id})


@tagged("post_install", "-at_install")
class TestOwnHeaders(WebhookCase):
    def subscriber(self, *headers, **values):
        return self.env["webhook.subscriber"].create(
            {
                "name": "Sink",
                "url": _URL,
                "header_ids": [Command.create({"name": n, "value": v}) for n, v in headers],
                **values,
            }
        )

    def test_what_is_sent_follows_the_list(self):
        subscriber = self.subscriber(("X-One", "1"), ("X-Two", "2"))
        self.assertEqual(subscriber._endpoint().own_headers, [["X-One", "1"], ["X-Two", "2"]])
        subscriber.header_ids[0].value = "3"
        self.assertEqual(subscriber._endpoint().own_headers, [["X-One", "3"], ["X-Two", "2"]])
        first, second = subscriber.header_ids
        subscriber.write(
            {
                "header_ids": [
                    Command.delete(first.id),
                    Command.create({"name": "X-One", "value": "4"}),
                    Command.update(second.id, {"value": "5"}),
                ]
            }
        )
        self.assertEqual(subscriber._endpoint().own_headers, [["X-Two", "5"], ["X-One", "4"]])
        subscriber.header_ids.unlink()
        self.assertIsNone(subscriber._endpoint().own_headers)

    def test_what_cannot_be_sent_is_refused(self):
        for headers, values in (
            ([("Content-Length", "1")], {}),
            ([("X-Key", "a\r\nX-Other: b")], {}),
            ([("X-Key", "1"), ("x-key", "2")], {}),
            ([("authorization", "Bearer abc")], {"auth_type": "basic", "auth_token": "u:p"}),
            ([("x-api-key", "abc")], {"auth_type": "api_key", "auth_token": "abc"}),
            ([(f"X-{number}", "1") for number in range(21)], {}),
            ([("X-Key", "x" * 4100)], {}),
            ([], {"api_key_header": "Content-Length"}),
            ([], {"api_key_header": "Host"}),
            ([], {"api_key_header": "webhook-id"}),
            ([], {"api_key_header": "X Key"}),
        ):
            with self.subTest(headers=headers[:2], **values):
                with self.assertRaises(ValidationError):
                    self.subscriber(*headers, **values)
                subscriber = self.subscriber()
                with self.assertRaises(ValidationError):
                    values["header_ids"] = [
                        Command.create({"name": name, "value": value}) for name, value in headers
                    ]
                    subscriber.write(values)
        self.subscriber(("Authorization", "Bearer abc"), ("User-Agent", "Us"))

    def test_an_authentication_may_not_collide_with_a_header_that_is_there(self):
        subscriber = self.subscriber(("Authorization", "Bearer abc"))
        with self.assertRaises(ValidationError):
            subscriber.write({"auth_type": "bearer", "auth_token": "abc"})
        with self.assertRaises(ValidationError):
            subscriber.header_ids.create(
                [
                    {"subscriber_id": subscriber.id, "name": name, "value": "1"}
                    for name in ("X-Key", "X-KEY")
                ]
            )

    def test_only_system_administrators_read_them(self):
        subscriber = self.subscriber(("X-Key", "abc"))
        manager = self.webhook_user("manager")
        for field in ("header_ids", "own_headers", "oauth_client_secret"):
            with self.subTest(field=field), self.assertRaises(AccessError):
                subscriber.with_user(manager).read([field])
        with self.assertRaises(AccessError):
            subscriber.header_ids.with_user(manager).read(["name"])

    def test_a_copy_has_none(self):
        copy = self.subscriber(("X-Key", "abc")).copy()
        self.assertFalse(copy.header_ids)
        self.assertFalse(copy.own_headers)

    def test_other_headers_end_a_pause(self):
        subscriber = self.subscriber()
        subscriber.consecutive_failures = 3
        subscriber.header_ids = [Command.create({"name": "X-Key", "value": "abc"})]
        self.assertFalse(subscriber.consecutive_failures)


@tagged("post_install", "-at_install")
class TestNeutralised(WebhookCase):
    def setUp(self):
        super().setUp()
        header = {"name": "X-Key", "value": "abc"}
        oauth = {"oauth_token_url": _URL, "oauth_client_id": "odoo", "oauth_client_secret": "abc"}
        token = {"auth_token": "abc"}
        self.subscribers = self.env["webhook.subscriber"].create(
            [
                {
                    "name": kind,
                    "url": _URL,
                    "auth_type": kind,
                    "header_ids": [Command.create(header)],
                }
                | oauth
                | token
                for kind in ("none", "bearer", "api_key", "basic", "oauth2", "signature")
            ]
        )
        self.subscribers.action_new_secret()
        keys = self.env["res.users.apikeys"]
        until = datetime.datetime.now() + datetime.timedelta(days=1)
        for scope in ("webhook", "rpc"):
            keys._generate(scope, scope, until)
        self.env.cr.flush()
        with open(f"{get_module_path('auto_webhook_odoo')}/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        self.env.invalidate_all()

    def test_no_secret_is_left(self):
        secrets = [name for name, field in self.subscribers._fields.items() if field.groups]
        self.assertIn("signing_secret", secrets)
        for name in secrets:
            with self.subTest(field=name):
                self.assertFalse(any(self.subscribers.mapped(name)))
        self.assertEqual(set(self.subscribers.mapped("state")), {"disabled"})
        left = self.env["res.users.apikeys"].search([("user_id", "=", self.env.uid)])
        self.assertEqual(left.mapped("scope"), ["rpc"])

    def test_a_subscriber_needs_new_credentials_before_it_is_enabled(self):
        for subscriber in self.subscribers.filtered(lambda s: s.auth_type != "none"):
            with self.subTest(auth_type=subscriber.auth_type):
                with self.assertRaises(ValidationError):
                    subscriber.action_enable()
                with self.assertRaises(ValidationError):
                    subscriber.action_test()
                with Form(subscriber) as form:
                    if subscriber.auth_type == "oauth2":
                        form.oauth_client_secret = "new"
                    elif subscriber.auth_type != "signature":
                        form.auth_token = "new"
                subscriber.action_new_secret()
                subscriber.action_enable()
        self.assertEqual(set(self.subscribers[1:].mapped("state")), {"enabled"})

    def test_it_can_be_archived_and_deleted(self):
        self.subscribers.active = False
        self.subscribers.unlink()
