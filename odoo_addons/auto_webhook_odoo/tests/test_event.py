import json

from odoo.tests import BaseCase

from odoo.addons.auto_webhook_odoo.wire.event import event_json, message_id

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


class TestEvent(BaseCase):
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
