import itertools
import json
import random
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import SQL

from ..models import update_webhook
from ..wire.event import EVENT_FRAME
from ..wire.jsontext import dumps
from .common import FeedCase


@tagged("post_install", "-at_install")
class TestPageBytes(FeedCase):
    """A page is bounded by the bytes of its events as well as by their number."""

    BOUND = 20_000

    def setUp(self):
        super().setUp()
        self.forget()
        patched = patch.object(update_webhook, "PAGE_BYTES", self.BOUND)
        patched.start()
        self.addCleanup(patched.stop)

    def record_sizes(self, *sizes):
        """Have events whose payloads and old values have so many bytes; return their ids."""
        self.record(*(f"P{number}" for number in range(len(sizes))))
        events = self.events()
        for event, size in zip(events, sizes, strict=True):
            half = size // 2
            event.payload = self.text_of(half)
            event.old_values = self.text_of(size - half)
            event.changed_fields = False
        self.env.flush_all()
        return events.ids

    @staticmethod
    def text_of(size):
        """Return a JSON object of so many bytes that PostgreSQL cannot compress much."""
        chance = random.Random(size)  # noqa: S311  # the same text each time
        filling = "".join(chance.choices("abcdefghijklmnop", k=size - len('{"x":""}')))
        return json.dumps({"x": filling}, separators=(",", ":"))

    def pages(self, limit=1000, **filters):
        """Follow the cursor to the end, and return the pages' events."""
        pages, cursor, has_more = [], 0, True
        while has_more:
            page = self.pull(cursor, limit=limit, **filters)
            self.assertGreater(page["last_id"], cursor)
            self.assertEqual(page["count"], len(page["events"]))
            cursor, has_more = page["last_id"], page["has_more"]
            pages.append(page["events"])
        self.assertFalse(self.pull(cursor, **filters)["events"])
        return pages

    @staticmethod
    def ids(pages):
        return [[event["id"] for event in page] for page in pages]

    def test_a_page_ends_before_the_event_that_is_too_much(self):
        ids = self.record_sizes(9_000, 9_000, 9_000, 100, 100)
        self.assertEqual(self.ids(self.pages()), [ids[:2], ids[2:]])

    def test_an_event_that_is_larger_than_the_bound_comes_alone(self):
        ids = self.record_sizes(100, 50_000, 100, 60_000, 70_000)
        self.assertEqual(self.ids(self.pages()), [[event_id] for event_id in ids])
        self.assertEqual(self.ids(self.pages(limit=1)), [[event_id] for event_id in ids])

    def test_the_number_bounds_a_page_as_well(self):
        ids = self.record_sizes(9_000, 100, 100, 100)
        self.assertEqual(self.ids(self.pages(limit=2)), [ids[:2], ids[2:]])

    def test_an_event_is_the_same_whether_it_is_short_or_long(self):
        self.record_sizes(100, 15_000)
        events = [event for page in self.pages() for event in page]
        with patch.object(update_webhook, "PAGE_BYTES", 10**9):
            (whole,) = self.pages()
        self.assertEqual(events, whole)
        self.assertEqual(len(whole[1]["payload"]["x"]), 7_500 - len('{"x":""}'))

    def test_filters_hold_for_cut_pages(self):
        receiver = self.webhook_user("receiver")
        self.forget()
        ids = self.record_sizes(*[9_000] * 9)
        events = self.env["update.webhook"].browse(ids)
        events[1].priority = events[8].priority = "low"
        events[2].event = "unlink"
        events[3].model = "res.users"
        self.confirm([ids[0]], {ids[4]: "no handler"}, receiver)
        self.env.flush_all()
        wanted = {"models": ["res.partner"], "events": ["create"], "priority": ["medium"]}
        pages = self.ids(self.pages(include_processed=False, **wanted))
        self.assertEqual(pages, [ids[5:7], ids[7:8]])

    def test_a_limit_beyond_the_bound(self):
        """PostgreSQL need not look at a million events for a page of some thousand."""
        number = self.BOUND // EVENT_FRAME + 5
        ids = self.record_sizes(*[20] * number)
        pages = self.ids(self.pages(limit=2**31 - 1))
        self.assertEqual([*itertools.chain(*pages)], ids)
        self.assertGreater(len(pages), 1)

    def test_long_values_beyond_the_page_are_not_read(self):
        """PostgreSQL reads a long value from another table, and that reading is counted."""
        self.record_sizes(*[9_000] * 20)
        self.pull(limit=1)  # gives the events their positions
        feed = self.env["update.webhook"]
        read = []
        for bound in (self.BOUND, 10**9):
            before = self.toast_reads()
            with patch.object(update_webhook, "PAGE_BYTES", bound):
                page, has_more = feed._wire_page(SQL("TRUE"), 1000)
            read.append(self.toast_reads() - before)
            self.assertEqual(
                (len(page), has_more), (2, True) if bound == self.BOUND else (20, False)
            )
        self.assertGreater(read[0], 0)
        self.assertLess(read[0] * 5, read[1])

    def toast_reads(self):
        """Return how often this transaction has looked up a long value of an event."""
        self.env.cr.execute(
            "SELECT pg_stat_get_xact_numscans(indexrelid) FROM pg_index"
            "  JOIN pg_class ON pg_class.reltoastrelid = indrelid"
            " WHERE pg_class.oid = 'update_webhook'::regclass"
        )
        return self.env.cr.fetchone()[0]

    def test_random_sizes(self):
        """Pages follow each other without a gap, and each is as large as it may be."""
        chance = random.Random(15)  # noqa: S311  # the same sizes each time
        for limit in (1, 7, 1000):
            self.forget()
            sizes = [
                chance.choice((30, 600, 2_100, 6_000, 12_000, 21_000)) + chance.randrange(100)
                for _event in range(60)
            ]
            ids = self.record_sizes(*sizes)
            size_of = {i: EVENT_FRAME + size for i, size in zip(ids, sizes, strict=True)}
            with self.subTest(limit=limit):
                pages = self.pages(limit=limit)
                self.assertEqual([*itertools.chain(*self.ids(pages))], ids)
                for number, page in enumerate(pages):
                    size = sum(len(dumps(event)) for event in page)
                    self.assertTrue(len(page) == 1 or size <= self.BOUND)
                    if number + 1 < len(pages):
                        together = sum(size_of[event["id"]] for event in page)
                        following = size_of[pages[number + 1][0]["id"]]
                        self.assertTrue(len(page) == limit or together + following > self.BOUND)
