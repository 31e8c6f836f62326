from odoo.tests import tagged
from odoo.tools import mute_logger

from .common_http import FeedHttpCase


@tagged("post_install", "-at_install")
class TestFeedHttp(FeedHttpCase):
    def test_pull_with_get_and_post(self):
        partner = self.env["res.partner"].create({"name": "Ünï « 雪 »"})
        status, page = self.call("pull", {"models": ["res.partner"], "limit": 5}, "consumer")
        self.assertEqual(status, 200)
        (event,) = [event for event in page["events"] if event["record_id"] == partner.id]
        self.assertEqual(event["payload"]["name"], "Ünï « 雪 »")
        self.assertEqual(
            set(event),
            {
                *("id", "model", "record_id", "event", "timestamp", "payload", "changed_fields"),
                *("old_values", "priority", "category", "user_id", "user_name", "company_id"),
            },
        )
        self.assertRegex(event["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        _status, same = self.call("pull?models=res.partner&limit=5", key="consumer")
        self.assertEqual(same["events"], page["events"])

    def test_a_list_may_be_given_as_a_repeated_parameter(self):
        """That is how many HTTP libraries send one."""
        self.configure("res.partner.category")
        self.env["res.partner"].create({"name": "Ada"})
        self.env["res.partner.category"].create({"name": "VIP"})
        both = "models=res.partner&models=res.partner.category"
        _status, page = self.call(f"pull?{both}&limit=1000", key="consumer")
        found = {event["model"] for event in page["events"]}
        self.assertEqual(found, {"res.partner", "res.partner.category"})
        for repeated in ("limit=1&limit=2", "include_processed=true&include_processed=false"):
            with self.subTest(repeated=repeated):
                self.assertRefused(self.call(f"pull?{repeated}"), 400, "invalid_request")

    def test_models_that_are_not_installed_are_ignored_and_named(self):
        self.env["res.partner"].create({"name": "Ada"})
        names = ["mail.channel", "res.partner"]
        for body, query in ((None, f"?models={','.join(names)}"), ({"models": names}, "")):
            with self.subTest(query=query):
                status, page = self.call(f"pull{query}", body, "consumer")
                self.assertEqual((status, page["unknown_models"]), (200, ["mail.channel"]))
                self.assertEqual({event["model"] for event in page["events"]}, {"res.partner"})

    def test_both_headers_carry_the_key(self):
        headers = {"X-API-Key": self.keys["consumer"]}
        status, _page = self.call("pull", key=None, headers=headers)
        self.assertEqual(status, 200)

    def test_confirming_needs_the_right_to_confirm(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        body = {"event_ids": [event.id, 10**30], "failed": [{"id": 2**31 - 1, "error": "x"}]}
        self.assertRefused(self.call("mark-processed", body, "consumer"), 403, "forbidden")
        self.env.invalidate_all()
        self.assertFalse(event.is_processed)
        self.assertEqual(
            self.call("mark-processed", body, "receiver"),
            (200, {"success": True, "processed_count": 1, "unknown": [2**31 - 1, 10**30]}),
        )
        self.env.invalidate_all()
        self.assertTrue(event.is_processed)

    def test_strangers_get_nothing(self):
        self.env["res.partner"].create({"name": "Ada"})
        self.assertRefused(self.call("pull", key=None), 401, "unauthorized")
        self.assertRefused(self.call("pull", key="0" * 40), 401, "unauthorized")
        self.assertRefused(self.call("pull", key="clerk"), 403, "forbidden")

    def test_health_is_public_and_says_little(self):
        status, body = self.call("health", key=None)
        self.assertEqual((status, body["status"]), (200, "ok"))
        self.assertEqual(set(body), {"status", "version"})

    @mute_logger("odoo.http")
    def test_bad_input_gets_a_clear_error(self):
        for path, body, status, code in [
            ("pull", {"limit": "many"}, 400, "invalid_request"),
            ("pull", {"limit": -1}, 400, "invalid_request"),
            ("pull", {"limit": True}, 400, "invalid_request"),
            ("pull", {"limit": 1001}, 400, "invalid_request"),
            ("pull", {"last_event_id": 10**30}, 400, "invalid_request"),
            ("pull", {"last_event_id": None}, 400, "invalid_request"),
            ("pull", {"models": 7}, 400, "invalid_request"),
            ("pull", {"models": ["res.partner\x00"]}, 400, "invalid_request"),
            ("pull", {"models": ["no.such.model"]}, 400, "invalid_request"),
            ("pull", {"models": ["res.partner'; DROP TABLE res_users"]}, 400, "invalid_request"),
            ("pull", {"models": ["\ud800"]}, 400, "invalid_request"),
            ("pull", {"events": ["explode"]}, 400, "invalid_request"),
            ("pull", {"include_processed": "perhaps"}, 400, "invalid_request"),
            ("pull", {"include_processed": []}, 400, "invalid_request"),
            ("pull", {"colour": "red"}, 400, "invalid_request"),
            ("pull?self=1", None, 400, "invalid_request"),
            ("pull", {"models": ["no.such.model", "mail.channel"]}, 400, "invalid_request"),
            ("sync-state/stats?app=sales", None, 400, "invalid_request"),
            ("pull", [], 400, "invalid_request"),
            ("pull", "{", 400, "invalid_json"),
            ("pull", b"\xff\xfe", 400, "invalid_json"),
            ("pull", "[" * 100000, 400, "invalid_json"),
            ("pull?limit=x", None, 400, "invalid_request"),
            ("pull?last_event_id=%00", None, 400, "invalid_request"),
            ("mark-processed", {"event_ids": "1"}, 400, "invalid_request"),
            ("mark-processed", {"event_ids": [0]}, 400, "invalid_request"),
            ("mark-processed", {"event_ids": [1.5]}, 400, "invalid_request"),
            ("mark-processed", {"failed": [{"id": 1}]}, 400, "invalid_request"),
            ("mark-processed", {"failed": [7]}, 400, "invalid_request"),
            ("mark-processed", None, 405, "method_not_allowed"),
            ("sync-state", {}, 400, "invalid_request"),
            ("sync-state", {"device_id": 5}, 400, "invalid_request"),
            ("sync-state", {"device_id": ""}, 400, "invalid_request"),
            ("sync-state", {"device_id": "x" * 256}, 400, "invalid_request"),
            ("sync-state", {"device_id": "a\x00b"}, 400, "invalid_request"),
            ("sync-state", {"device_id": "a", "device_info": ["x"]}, 400, "invalid_request"),
            (
                "sync-state",
                b'{"device_id": "a", "device_info": {"x": NaN}}',
                400,
                "invalid_request",
            ),
            ("sync-state", {"device_id": "a", "user_id": "me"}, 400, "invalid_request"),
            ("sync-state", {"device_id": "a", "user_id": 2**31 - 1}, 400, "invalid_request"),
            ("sync-state/update", {"device_id": "a"}, 400, "invalid_request"),
            ("sync-state/update", {"device_id": "a", "last_event_id": -1}, 400, "invalid_request"),
            (
                "sync-state/update",
                {"device_id": "a", "last_event_id": 2**53 - 1},
                *(400, "invalid_request"),
            ),
            (
                "sync-state/update",
                {"device_id": "a", "last_event_id": 0, "reset": "perhaps"},
                *(400, "invalid_request"),
            ),
            ("sync-state/update", None, 405, "method_not_allowed"),
            ("no-such-call", {}, 404, "not_found"),
            ("", None, 404, "not_served"),
        ]:
            with self.subTest(path=path, body=str(body)[:40]):
                self.assertRefused(self.call(path, body), status, code)

    def test_a_body_that_is_too_large(self):
        body = b'{"event_ids": [' + b"1," * 6_000_000 + b"1]}"
        self.assertRefused(self.call("mark-processed", body), 413, "too_large")

    def test_an_error_text_that_cannot_be_stored_is_mended(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        body = {"failed": [{"id": event.id, "error": "bad \ud800 \x00 end"}]}
        self.assertEqual(self.call("mark-processed", body)[0], 200)
        self.env.invalidate_all()
        self.assertEqual(event.failure, "bad ?  end")

    def test_other_methods_and_content_types(self):
        self.assertRefused(self.call("pull", method="DELETE"), 405, "method_not_allowed")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assertRefused(self.call("pull", "limit=5", headers=form), 415, "not_json")
