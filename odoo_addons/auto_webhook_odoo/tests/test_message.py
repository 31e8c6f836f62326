import json

from odoo.tests import BaseCase

from ..wire.message import batch, batch_message_id, extended


class TestMessage(BaseCase):
    def test_a_lone_event_has_its_source_in_it(self):
        event = extended('{"event_id":4711,"payload":{"name":"Ada"}}', source='8"f7e')
        self.assertEqual(
            json.loads(event),
            {"source": '8"f7e', "event_id": 4711, "payload": {"name": "Ada"}},
        )

    def test_a_batch_has_the_source_once(self):
        self.assertEqual(
            json.loads(batch("8f7e", ['{"event_id":1}', '{"event_id":2}'])),
            {"source": "8f7e", "events": [{"event_id": 1}, {"event_id": 2}]},
        )
        self.assertEqual(json.loads(batch("8f7e", [])), {"source": "8f7e", "events": []})

    def test_a_batch_is_named_after_its_events(self):
        first = batch_message_id("8f7e", ["1_2026", "2_2026"])
        self.assertEqual(first, batch_message_id("8f7e", ["1_2026", "2_2026"]))
        self.assertNotEqual(first, batch_message_id("8f7e", ["1_2026", "2_2027"]))
        self.assertNotIn(".", first)
