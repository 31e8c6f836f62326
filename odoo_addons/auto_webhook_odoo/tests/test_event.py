import json

from odoo.tests import tagged
from odoo.tools import SQL

from ..wire.event import EVENT_NAME, EVENT_TABLES, event_json
from ..wire.message import message_id
from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestEvent(WebhookCase):
    """PostgreSQL builds the event object of the protocol."""

    def built(self, events, expression):
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT %s FROM %s WHERE e.id = ANY(%s) ORDER BY e.id",
                SQL(expression),
                SQL(EVENT_TABLES),
                events.ids,
            )
        )
        return [value for (value,) in rows]

    def test_the_event_holds_the_stored_values(self):
        self.forget()
        for name in ("Ada", "Quotes \" ' \\ and\nlines", "Ünï « 雪 » \U0001f600", "%s %(x)s"):
            self.env.user.partner_id.name = name
            self.env["res.partner"].create({"name": name, "company_id": self.env.company.id})
        partner = self.env["res.partner"].create({"name": "Deleted"})
        self.next_transaction()
        partner.unlink()
        events = self.events()
        events[1].write({"user_id": False, "company_id": False, "payload": False})
        events[2].write({"changed_fields": "", "old_values": '{"name":"\\u0000"}'})
        self.assertGreater(len(events), 5)
        self.assertEqual(set(events.mapped("event")), {"create", "write", "unlink"})
        for event, text in zip(events, self.built(events, event_json("id")), strict=True):
            with self.subTest(event=event.id):
                found = json.loads(text)
                timestamp = event.timestamp.isoformat(timespec="microseconds")
                stored = ("payload", "changed_fields", "old_values")
                plain = ("model", "record_id", "event", "priority", "category")
                self.assertEqual(
                    found,
                    {
                        "id": event.id,
                        "timestamp": f"{timestamp}Z",
                        **{key: event[key] for key in plain},
                        **{key: json.loads(event[key] or "null") for key in stored},
                        "user_id": event.user_id.id or None,
                        "user_name": event.user_id.name or None,
                        "company_id": event.company_id.id or None,
                    },
                )

    def test_names_tell_events_of_a_restored_database_apart(self):
        self.forget()
        self.env["res.partner"].create({"name": "Ada"})
        event = self.events()
        (before,) = self.built(event, EVENT_NAME)
        self.env.cr.execute(
            "UPDATE update_webhook SET timestamp = timestamp + interval '1 microsecond'"
        )
        (after,) = self.built(event, EVENT_NAME)
        self.assertNotEqual(before, after)
        self.assertTrue(before.startswith(f"{event.id}_"))
        self.assertNotIn(".", message_id("8f7e", after))
