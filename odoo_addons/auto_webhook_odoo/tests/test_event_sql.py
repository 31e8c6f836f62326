import json

from odoo.tests import tagged
from odoo.tools import SQL

from ..models.update_webhook import WIRE_COLUMNS, WIRE_TABLES
from ..wire.event import event_json
from ..wire.event_sql import EVENT_JSON
from .common import WebhookCase


@tagged("post_install", "-at_install")
class TestEventSql(WebhookCase):
    """PostgreSQL and Python build the same event."""

    def test_both_say_the_same(self):
        self.forget()
        for name in ("Ada", "Quotes \" ' \\ and\nlines", "Ünï « 雪 » \U0001f600", "%s %(x)s"):
            self.env.user.partner_id.name = name
            self.env["res.partner"].create({"name": name, "company_id": self.env.company.id})
        self.env["res.partner"].create({"name": "Deleted"})
        self.next_transaction()
        self.env["res.partner"].search([("name", "=", "Deleted")]).unlink()
        events = self.events()
        events[0].write({"user_id": False, "company_id": False, "payload": False})
        events[1].write({"changed_fields": "", "old_values": '{"name":"\\u0000"}'})
        events[2].timestamp = "2026-01-31 12:00:00"
        self.env.flush_all()
        rows = self.env.execute_query_dict(
            SQL("SELECT %s FROM %s ORDER BY e.id", SQL(WIRE_COLUMNS), SQL(WIRE_TABLES))
        )
        built = self.env.execute_query(
            SQL("SELECT %s FROM %s ORDER BY e.id", SQL(EVENT_JSON), SQL(WIRE_TABLES))
        )
        self.assertGreater(len(rows), 5)
        for row, (text,) in zip(rows, built, strict=True):
            with self.subTest(event=row["id"]):
                expected = json.loads(event_json(row, id_key="id"))
                self.assertEqual(list(json.loads(text).items()), list(expected.items()))
