from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..models.webhook_key_failure import _client
from .common_http import FeedHttpCase


@tagged("post_install", "-at_install")
class TestKeys(FeedHttpCase):
    """Which keys open the feed, and what callers without such a key learn."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.partner"].create({"name": "Ada"})

    def refused_with(self, key, path="pull"):
        response = self.send(path, {}, key)
        self.assertNotIn("Ada", response.text)
        return response.status_code

    def test_keys_that_are_wrong_expired_or_revoked(self):
        expired = self.add_key("consumer")
        self.env.cr.execute(
            "UPDATE res_users_apikeys SET expiration_date = %s WHERE index = %s",
            [fields.Datetime.now() - timedelta(hours=1), expired[:8]],
        )
        revoked = self.add_key("consumer")
        found = self.env["res.users.apikeys"].search(
            [("user_id", "=", self.users["consumer"].id)], order="id DESC", limit=1
        )
        found.sudo()._remove()
        of_another_scope = self.add_key("consumer", scope="odoo.plugin.outlook")
        for name, key in [
            ("wrong", "0" * 40),
            ("expired", expired),
            ("revoked", revoked),
            ("of another scope", of_another_scope),
            ("shortened", self.keys["consumer"][:-1]),
            ("prolonged", self.keys["consumer"] + "0"),
            ("SQL", "'; DROP TABLE res_users; --"),
            ("no text", "abc\x00def"),
        ]:
            with self.subTest(name=name):
                self.assertEqual(self.refused_with(key), 401)
        self.users["consumer"].active = False
        self.assertEqual(self.refused_with("consumer"), 401)

    def test_keys_of_users_without_the_group(self):
        self.users["portal"] = new_test_user(self.env, "portal", groups="base.group_portal")
        self.keys["portal"] = self.add_key("portal")
        for key in ("clerk", "portal"):
            for path in ("pull", "mark-processed", "sync-state", "sync-state/update"):
                with self.subTest(key=key, path=path):
                    self.assertEqual(self.refused_with(key, path), 403)

    def test_a_session_opens_no_route(self):
        self.authenticate("admin", "admin")
        for path in ("pull", "mark-processed", "sync-state", "sync-state/update"):
            with self.subTest(path=path):
                self.assertEqual(self.refused_with(None, path), 401)
        for path in ("stats", "sync-state/stats"):
            with self.subTest(path=path):
                self.assertRefused(self.call(path, key=None), 401, "unauthorized")

    def test_guessing_is_slowed_down_but_not_for_others(self):
        """tests/e2e does this over HTTP. Here the rollback of a request undoes its count."""
        failures = self.env["webhook.key.failure"]
        mine, theirs = self.keys["consumer"], self.keys["receiver"]

        def wait(address, key):
            return failures._look_up(address, key)[1]

        with self.enter_registry_test_mode():
            for number in range(10):
                self.assertEqual(wait("192.0.2.1", f"{number:040}"), 0)
                failures._note("192.0.2.1", f"{number:040}")
            self.assertIn(wait("192.0.2.1", "f" * 40), range(50, 61))
            # other addresses, and keys that there are: nobody has guessed at these
            self.assertEqual(wait("192.0.2.2", "f" * 40), 0)
            self.assertEqual(wait("192.0.2.1", mine), 0)
            for _number in range(10):
                failures._note("192.0.2.1", mine[:8] + "f" * 32)
            self.assertGreater(wait("192.0.2.1", mine), 0)
            self.assertEqual(wait("192.0.2.1", theirs), 0)
            self.assertEqual(wait("192.0.2.2", mine), 0)
            failures._forgive("192.0.2.1", mine)
            self.assertEqual(wait("192.0.2.1", mine), 0)

    def test_a_client_that_has_waited_may_try_once_more(self):
        failures = self.env["webhook.key.failure"]
        with self.enter_registry_test_mode():
            for _number in range(10):
                failures._note("192.0.2.1", "f" * 40)
            self.env.cr.execute(
                "UPDATE webhook_key_failure SET last_at = last_at - interval '1 minute'"
            )
            self.assertEqual(failures._look_up("192.0.2.1", "f" * 40)[1], 0)
            failures._note("192.0.2.1", "f" * 40)
            self.assertGreater(failures._look_up("192.0.2.1", "f" * 40)[1], 0)

    def test_failures_are_forgotten_after_a_day(self):
        failures = self.env["webhook.key.failure"]
        with self.enter_registry_test_mode():
            failures._note("192.0.2.1", "f" * 40)
            failures._note("192.0.2.2", "f" * 40)
        old, young = failures.search([], order="client")
        old.sudo().last_at -= timedelta(days=2)
        failures._gc_old()
        self.assertEqual((old + young).exists(), young)

    def test_clients_with_many_addresses_count_as_one(self):
        self.assertEqual(_client("192.0.2.1"), "192.0.2.1")
        self.assertEqual(_client("2001:db8::1"), _client("2001:db8::ffff:2"))
        self.assertNotEqual(_client("2001:db8::1"), _client("2001:db8:0:1::1"))
        self.assertEqual(_client("::ffff:192.0.2.1"), "192.0.2.1")  # of a socket for both versions
        self.assertEqual(_client(None), "")


@tagged("post_install", "-at_install")
class TestAnswers(FeedHttpCase):
    """What holds for every answer of the feed."""

    #: path, body, key and further arguments of ``send``, and the status of the answer
    CALLS = (
        ("pull?limit=5&last_event_id=0", None, "consumer", {}, 200),
        ("pull", {}, "consumer", {}, 200),
        ("mark-processed", {}, "receiver", {}, 200),
        ("stats?days=1", None, "consumer", {}, 200),
        ("sync-state?device_id=a&app_type=b", None, "consumer", {}, 200),
        ("sync-state/stats?app_type=b", None, "consumer", {}, 200),
        ("health?verbose=1", None, None, {}, 200),
        ("pull?limit=x", None, "consumer", {}, 400),
        ("pull?self=1", None, "consumer", {}, 400),
        ("pull?limit=1", None, None, {}, 401),
        ("mark-processed", {}, "consumer", {}, 403),
        ("no-such-call?limit=1", None, None, {}, 404),
        ("?limit=1", None, None, {}, 404),
        ("pull?limit=1", None, "consumer", {"method": "DELETE"}, 405),
        (
            "pull",
            "limit=5",
            "consumer",
            {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            415,
        ),
        ("pull", None, None, {"method": "OPTIONS"}, 204),
    )

    def test_nobody_keeps_an_answer(self):
        for path, body, key, more, status in self.CALLS:
            with self.subTest(path=path, key=key, status=status):
                response = self.send(path, body, key, **more)
                self.assertEqual(response.status_code, status, response.text)
                self.assertEqual(response.headers["Cache-Control"], "no-store")

    @mute_logger("odoo.addons.auto_webhook_odoo.controllers.errors")
    def test_nobody_keeps_the_answer_to_a_call_that_failed(self):
        read = "odoo.addons.auto_webhook_odoo.models.webhook_feed_position.WebhookFeedPosition"
        with patch(f"{read}._read_page", side_effect=KeyError):
            response = self.send("pull", {})
        self.assertEqual(
            (response.status_code, response.headers["Cache-Control"]), (500, "no-store")
        )

    def test_other_answers_of_odoo_are_not_touched(self):
        response = self.url_open("/web/login")
        self.assertNotEqual(response.headers.get("Cache-Control"), "no-store")

    def test_nothing_is_logged_about_calls_that_are_answered_as_described(self):
        for path, body, key, more, status in self.CALLS:
            call = self.subTest(path=path, key=key, status=status)
            with call, self.assertNoLogs("odoo", "WARNING"):
                self.send(path, body, key, **more)


@tagged("post_install", "-at_install")
class TestCors(FeedHttpCase):
    def headers_of(self, response):
        return {k: v for k, v in response.headers.items() if k.startswith("Access-Control-")}

    def ask(self, origin="https://app.example.com"):
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        return self.send("pull", key=None, headers=headers, method="OPTIONS")

    def allow(self, origins):
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.cors_origins", origins)

    def test_none_by_default(self):
        response = self.ask()
        self.assertEqual((response.status_code, self.headers_of(response)), (204, {}))
        response = self.send("pull", {}, headers={"Origin": "https://app.example.com"})
        self.assertEqual((response.status_code, self.headers_of(response)), (200, {}))

    def test_origins_of_the_settings(self):
        self.allow("https://other.example.com, https://app.example.com")
        response = self.ask()
        self.assertEqual(response.status_code, 204)
        headers = self.headers_of(response)
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://app.example.com")
        self.assertIn("Authorization", headers["Access-Control-Allow-Headers"])
        self.assertIn("POST", headers["Access-Control-Allow-Methods"])
        self.assertNotIn("Access-Control-Allow-Credentials", headers)
        self.assertEqual(response.headers["Vary"], "Origin")
        for name, path, key, status in (
            ("answers", "pull", "receiver", 200),
            ("errors", "pull", "0" * 40, 401),
            ("errors of Odoo", "", "receiver", 404),
        ):
            with self.subTest(name=name):
                response = self.send(path, {}, key, {"Origin": "https://app.example.com"})
                self.assertEqual(response.status_code, status)
                self.assertEqual(
                    response.headers["Access-Control-Allow-Origin"], "https://app.example.com"
                )

    def test_other_origins(self):
        self.allow("https://app.example.com")
        for origin in ("https://evil.example", "http://app.example.com", "null"):
            with self.subTest(origin=origin):
                self.assertEqual(self.headers_of(self.ask(origin)), {})

    def test_all_origins(self):
        self.allow("*")
        headers = self.headers_of(self.ask("https://any.example"))
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://any.example")

    def test_only_origins_can_be_set(self):
        settings = self.env["res.config.settings"]
        settings.create({"webhook_cors_origins": "https://a.example.com, http://localhost:8080"})
        for origins in ("a.example.com", "https://a.example.com/path", "javascript:alert(1)"):
            with self.subTest(origins=origins), self.assertRaises(ValidationError):
                settings.create({"webhook_cors_origins": origins})
