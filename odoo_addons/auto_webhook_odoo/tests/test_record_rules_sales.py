"""A salesperson's phone follows the feed, and never sees a colleague's order."""

import json
import random

from odoo import Command
from odoo.tests import new_test_user, tagged

from .common import FeedCase

ORDER, LINE = "sale.order", "sale.order.line"


class Phone:
    """Keeps the records that the feed shows, as docs/protocol.md says."""

    def __init__(self, case, user):
        self._case, self._user, self._cursor = case, user, 0
        self.records = {}
        #: everything that it was ever told, as text
        self.heard = ""

    def follow(self, limit=100, **filters):
        while True:
            page = self._case.pull(self._cursor, limit, user=self._user, **filters)
            self.heard += json.dumps(page["events"], ensure_ascii=False)
            for event in page["events"]:
                record = event["model"], event["record_id"]
                if event["event"] == "unlink":
                    self.records.pop(record, None)
                else:
                    self.records[record] = event["payload"]
            self._cursor = page["last_id"]
            if not page["has_more"]:
                return


@tagged("post_install", "-at_install")
class TestRecordRulesSales(FeedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in (ORDER, LINE):
            cls.configure(name)
        groups = "sales_team.group_sale_salesman,auto_webhook_odoo.group_webhook_consumer"
        cls.users = [new_test_user(cls.env, login, groups=groups) for login in ("ada", "grace")]
        cls.ada, cls.grace = cls.users
        cls.product = cls.env["product.product"].create({"name": "Chair"})
        cls.customer = cls.env["res.partner"].create({"name": "Customer"})

    def setUp(self):
        super().setUp()
        self.forget()
        self.phones = {user: Phone(self, user) for user in self.users}

    def order(self, user, note="", lines=1):
        line = {"product_id": self.product.id, "product_uom_qty": 1, "price_unit": 10}
        order = self.env[ORDER].create(
            {
                "partner_id": self.customer.id,
                "user_id": user.id,
                "client_order_ref": note,
                "order_line": [Command.create({**line, "name": note}) for _ in range(lines)],
            }
        )
        self.next_transaction()
        return order

    def held(self, user):
        """Return the records that a phone holds of the models that are recorded here."""
        return {record for record in self.phones[user].records if record[0] in (ORDER, LINE)}

    def readable(self, user):
        return {
            (name, record_id)
            for name in (ORDER, LINE)
            for record_id in self.env[name].with_user(user).search([]).ids
            if record_id in self.made[name]
        }

    def test_an_order_of_a_colleague_is_never_seen(self):
        mine, theirs = self.order(self.ada, "of Ada"), self.order(self.grace, "of Grace")
        theirs.action_confirm()
        theirs.order_line.price_unit = 8765.4
        self.next_transaction()
        phone = self.phones[self.ada]
        phone.follow()
        self.assertEqual(self.held(self.ada), {(ORDER, mine.id), (LINE, mine.order_line.id)})
        self.assertNotIn("of Grace", phone.heard)
        self.assertNotIn(theirs.name, phone.heard)
        self.assertNotIn("8765", phone.heard)

    def test_an_order_that_is_handed_over_goes_here_and_appears_there(self):
        order = self.order(self.ada, "Note 1")
        for phone in self.phones.values():
            phone.follow()
        both = {(ORDER, order.id), (LINE, order.order_line.id)}
        self.assertEqual((self.held(self.ada), self.held(self.grace)), (both, set()))
        order.user_id = self.grace
        self.next_transaction()
        order.client_order_ref = "Note 2"
        self.next_transaction()
        for phone in self.phones.values():
            phone.follow()
        self.assertEqual((self.held(self.ada), self.held(self.grace)), (set(), both))
        self.assertNotIn("Note 2", self.phones[self.ada].heard)
        self.assertEqual(
            self.phones[self.grace].records[ORDER, order.id]["client_order_ref"], "Note 2"
        )

    def test_a_phone_that_comes_later_sees_nothing_of_an_order_that_was_handed_over(self):
        order = self.order(self.ada, "Note 1")
        order.client_order_ref = "Note 2"
        self.next_transaction()
        order.user_id = self.grace
        self.next_transaction()
        phone = self.phones[self.ada]
        phone.follow()
        self.assertFalse(phone.records)
        for secret in ("Note 1", "Note 2", order.name, "Chair", "Customer"):
            self.assertNotIn(secret, phone.heard)

    def test_phones_hold_what_odoo_shows_whatever_happened(self):
        """Random orders are made, changed, handed over and deleted; phones follow now and then."""
        for seed in range(6):
            with self.subTest(seed=seed):
                self.forget()
                self.phones = {user: Phone(self, user) for user in self.users}
                self.made = {ORDER: set(), LINE: set()}
                self.play(random.Random(seed))  # noqa: S311  # no secrets

    def play(self, chance):
        orders = self.env[ORDER]
        for step in range(25):
            action = chance.choice(("order", "change", "line", "hand over", "delete", "follow"))
            order = chance.choice(orders) if orders else None
            if action == "follow":
                user = chance.choice(self.users)
                self.phones[user].follow(limit=chance.choice((1, 3, 100)))
            elif action == "order" or order is None:
                order = self.order(chance.choice(self.users), f"N{step}.", chance.randint(0, 2))
                orders |= order
                self.made[ORDER].add(order.id)
            elif action == "change":
                order.client_order_ref = f"N{step}."
            elif action == "line":
                order.order_line.filtered(lambda line: line.price_unit > 5)[:1].unlink()
            elif action == "hand over":
                order.user_id = chance.choice(self.users)
            else:
                orders -= order
                order.unlink()
            self.next_transaction()
            self.made[LINE].update(orders.order_line.ids)
        for user, phone in self.phones.items():
            phone.follow()
            self.assertEqual(self.held(user), self.readable(user))
            for order in orders.filtered(lambda order, user=user: order.user_id == user):
                kept = phone.records[ORDER, order.id]["client_order_ref"]
                self.assertEqual(kept, order.client_order_ref or None)
