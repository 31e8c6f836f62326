import json
from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from ..postgres.bigints import BigId
from ..wire.cursor import Cursor
from .common import WebhookCase
from .common_http import FeedHttpCase
from .delivery_case import DeliveryCase

#: Tables that people fill by hand, or that get a few rows a day.
_SMALL = {
    "webhook.config",
    "webhook.feed.break",
    "webhook.feed.lock",
    "webhook.replay",
    "webhook.snapshot",
    "webhook.subscriber",
    "webhook.subscriber.header",
}
#: Columns that hold an id or a position, but are no many2one.
_NUMBERS = {
    ("webhook_consumer", "settled_position"),
    ("webhook_feed_break", "position"),
    ("webhook_replay", "last_id"),
    ("webhook_snapshot", "last_id"),
    ("webhook_tally", "consumer_id"),
    ("user_sync_state", "last_event_id"),
}


class LargeNumbersCase(WebhookCase):
    def big_models(self):
        models = (self.env[name] for name in sorted(self.env.registry))
        return [model for model in models if isinstance(model._fields["id"], BigId)]


@tagged("post_install", "-at_install")
class TestColumns(LargeNumbersCase):
    def expected(self):
        """Return the columns that hold ids of large tables: ``{(table, column)}``."""
        big = {model._name: model for model in self.big_models()}
        references = {
            (model._table, field.name)
            for model in self.env.values()
            if model._auto and not model._abstract
            for field in model._fields.values()
            if field.store and field.type == "many2one" and field.comodel_name in big
        }
        self.assertIn(("webhook_attempt", "delivery_id"), references)
        return references | _NUMBERS | {(model._table, "id") for model in big.values()}

    def small_columns(self):
        """Return those of the expected columns that have no 64 bits, and such sequences."""
        self.env.cr.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema AND udt_name = 'int8'"
        )
        columns = self.expected() - set(self.env.cr.fetchall())
        self.env.cr.execute(
            "SELECT sequencename FROM pg_sequences WHERE data_type <> 'int8'::regtype"
        )
        small = {name for (name,) in self.env.cr.fetchall()}
        return columns, small & {f"{model._table}_id_seq" for model in self.big_models()}

    def test_every_table_that_traffic_fills_has_large_ids(self):
        own = {
            model._name
            for model in self.env.values()
            if model._original_module == "auto_webhook_odoo"
            and not (model._abstract or model._transient)
        }
        self.assertEqual(own - _SMALL, {model._name for model in self.big_models()})

    def test_columns_and_sequences_have_64_bits(self):
        self.assertEqual(self.small_columns(), (set(), set()))

    def test_an_update_widens_the_tables_of_an_earlier_version(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        before = self.events(partner)
        names = ["update.webhook", "webhook.delivery", "webhook.feed.position"]
        for table, column in (
            ("webhook_delivery", "event_id"),
            ("webhook_delivery", "id"),
            ("webhook_feed_position", "event_id"),
            ("webhook_feed_position", "id"),
            ("update_webhook", "id"),
        ):
            self.env.cr.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE int4")
            if column == "id":
                self.env.cr.execute(f"ALTER SEQUENCE {table}_id_seq AS int4")
        self.assertNotEqual(self.small_columns(), (set(), set()))
        context = {"module": "auto_webhook_odoo"}
        self.env.registry.init_models(self.env.cr, names, context, install=False)
        self.assertEqual(self.small_columns(), (set(), set()))
        self.assertEqual(self.events(partner), before)


@tagged("post_install", "-at_install")
class TestTraffic(LargeNumbersCase, DeliveryCase, FeedHttpCase):
    """Whatever handles ids does so when they no longer fit 32 bits."""

    def setUp(self):
        super().setUp()
        self.forget()
        # Different numbers for each table, so that none is taken for another's. The test's
        # transaction undoes ALTER; setval would stay.
        for billions, model in enumerate(self.big_models(), 3):
            start = f"ALTER SEQUENCE {model._table}_id_seq RESTART WITH {billions}000000000"
            self.env.cr.execute(start)

    def test_push_attempts_and_retry(self):
        sink, _subscriber = self.sink(500)
        partner = self.partners(1)
        self.deliver()
        self.next_transaction()
        partner.name = "Grace"
        self.make_due()
        self.deliver()
        first, later = self.delivery_of(partner)
        self.assertEqual((first.state, later.state), ("delivered", "delivered"))
        self.assertEqual(first.attempt_ids.mapped("status"), [200, 500])
        self.assertGreater(min(first.attempt_ids.ids), 2**31)
        first.action_retry()
        self.deliver()
        ids = [event["event_id"] for event in sink.events]
        self.assertEqual(ids[-3:], [first.event_id.id, later.event_id.id, first.event_id.id])

    def test_dead_deliveries_and_replay(self):
        sink, subscriber = self.sink(max_attempts=1)
        bad, _good = self.partners(2), self.partners(1)
        sink.judge = self.refusing(422, bad)
        self.deliver()
        self.assertEqual(self.delivery_of(bad[0]).state, "dead")
        sink.judge = None
        replay = self.env["webhook.replay"].create({"subscriber_id": subscriber.id})
        self.assertEqual(replay.found, 2)
        while replay.state == "running":
            replay._run_batch()
        self.assertGreater(replay.last_id, 2**31)
        self.deliver()
        self.assertEqual([self.delivery_of(one).state for one in bad], ["delivered"] * 2)

    def test_feed_confirmation_and_figures(self):
        handled, failed = (self.events(partner) for partner in self.partners(2))
        _status, page = self.call("pull", {"limit": 1})
        self.assertEqual([event["id"] for event in page["events"]], [handled.id])
        self.assertLess(page["last_id"], 2**53)
        _status, rest = self.call("pull", {"last_event_id": page["last_id"]})
        self.assertEqual([event["id"] for event in rest["events"]], [failed.id])
        self.assertNotIn("cursor_expired", rest)
        body = {
            "event_ids": [handled.id, 2**63 - 1, 2**63],
            "failed": [{"id": failed.id, "error": "no handler"}],
        }
        _status, answer = self.call("mark-processed", body)
        self.assertEqual((answer["processed_count"], answer["unknown"]), (1, [2**63 - 1, 2**63]))
        self.env.invalidate_all()
        self.assertEqual((handled.is_processed, failed.failure), (True, "no handler"))
        self.assertGreater(handled.seq, 2**31)
        body = {"device_id": "phone", "last_event_id": rest["last_id"]}
        _status, answer = self.call("sync-state/update", body)
        self.assertEqual(answer["sync_state"]["last_event_id"], rest["last_id"])
        self.assertGreater(answer["sync_state"]["id"], 2**31)
        _status, stats = self.call("stats")
        self.assertEqual((stats["total"], stats["processed"], stats["failed"]), (2, 1, 1))

    def test_a_reader_learns_what_retention_deleted(self):
        old, _young = (self.events(partner) for partner in self.partners(2))
        behind = Cursor.decode(self.call("pull")[1]["last_id"])
        then = fields.Datetime.now() - timedelta(days=1000)
        old.write({"is_processed": True, "processed_at": then})
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env["update.webhook"]._gc_delete()
        self.assertFalse(old.exists())
        for cursor, expired in ((behind, False), (behind._replace(position=2**31), True)):
            _status, page = self.call("pull", {"last_event_id": cursor.encode()})
            self.assertEqual("cursor_expired" in page, expired)

    def test_erasure(self):
        partner = self.partners(1)
        event = self.events(partner)
        model = self.env["ir.model"]._get_id("res.partner")
        self.env["webhook.erasure"].create(
            {"model_id": model, "record_id": partner.id}
        ).action_erase()
        self.assertEqual(self.payload(event), {"_metadata": {"erased": True}})

    def test_what_the_web_client_asks_for(self):
        self.sink()
        event = self.events(self.partners(1))
        [found] = self.env["update.webhook"].web_search_read(
            [("id", ">", event.id - 1)], {"seq": {}, "delivery_ids": {"fields": {"event_id": {}}}}
        )["records"]
        self.assertEqual(found["delivery_ids"][0]["event_id"], event.id)
        [read] = event.delivery_ids.read(["event_id"])
        self.assertEqual(read["event_id"][0], event.id)
        groups = self.env["webhook.delivery"].formatted_read_group(
            [("event_id", "=", event.id)], ["event_id"], ["id:max", "__count"]
        )
        self.assertEqual(
            [(group["event_id"][0], group["id:max"], group["__count"]) for group in groups],
            [(event.id, event.delivery_ids.id, 1)],
        )
        self.assertEqual(json.loads(json.dumps(found))["id"], event.id)
