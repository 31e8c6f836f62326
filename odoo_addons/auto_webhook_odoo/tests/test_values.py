import datetime
import json

from odoo.tests import BaseCase

from odoo.addons.auto_webhook_odoo.wire.event import event_json, message_id
from odoo.addons.auto_webhook_odoo.wire.values import comparable, dump_payload

ROW = {
    "id": 4711,
    "model": "sale.order",
    "record_id": 336,
    "event": "write",
    "timestamp": "2026-01-31T12:00:00.123456Z",
    "priority": "high",
    "category": "business",
    "payload": '{"name":"SO001","note":"quote \\" and \\u20ac"}',
    "changed_fields": '["state"]',
    "old_values": None,
    "user_id": 2,
    "user_name": 'Ada "the first"',
    "company_id": None,
}


class TestValues(BaseCase):
    def test_what_the_orm_cannot_tell_apart_is_equal(self):
        for field_type, value, expected in [
            ("boolean", None, False),
            ("integer", None, 0),
            ("float", None, 0),
            ("char", None, None),
            ("char", "", ""),
            ("date", datetime.date(2026, 1, 31), "2026-01-31"),
            ("datetime", datetime.datetime(2026, 1, 31, 12, 0), "2026-01-31T12:00:00Z"),
            ("monetary", 12.34, 12.34),
            ("many2one", 7, 7),
        ]:
            with self.subTest(field_type=field_type, value=value):
                self.assertEqual(comparable(field_type, value), expected)

    def test_a_value_that_json_cannot_express_becomes_null_and_is_named(self):
        text, omitted = dump_payload({"name": "x", "amount": float("nan"), "blob": b"x"})
        self.assertEqual(omitted, ["amount", "blob"])
        self.assertEqual(
            json.loads(text),
            {
                "name": "x",
                "amount": None,
                "blob": None,
                "_metadata": {"not_serialisable": ["amount", "blob"]},
            },
        )

    def test_an_event_is_the_object_of_the_protocol(self):
        event = json.loads(event_json(ROW, source="8f7e"))
        self.assertEqual(event["event_id"], 4711)
        self.assertEqual(event["source"], "8f7e")
        self.assertEqual(event["payload"], json.loads(ROW["payload"]))
        self.assertEqual(event["changed_fields"], ["state"])
        self.assertIsNone(event["old_values"])
        self.assertEqual(event["user_name"], 'Ada "the first"')
        self.assertIsNone(event["company_id"])

    def test_in_the_feed_it_has_an_id_and_no_source(self):
        event = json.loads(event_json(ROW, id_key="id"))
        self.assertEqual(event["id"], 4711)
        self.assertNotIn("event_id", event)
        self.assertNotIn("source", event)

    def test_the_message_id_tells_events_of_a_restored_database_apart(self):
        first = message_id("8f7e", ROW)
        self.assertEqual(first, message_id("8f7e", ROW))
        restored = ROW | {"timestamp": "2026-01-31T12:00:00.123457Z"}
        self.assertNotEqual(first, message_id("8f7e", restored))
        self.assertNotIn(".", first)
