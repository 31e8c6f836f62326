from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common_http import FeedHttpCase


@tagged("post_install", "-at_install")
class TestStats(FeedHttpCase):
    def setUp(self):
        super().setUp()
        self.forget()
        self.env["webhook.tally"].search([]).sudo().unlink()

    def stats(self, days=7, key="consumer"):
        status, answer = self.call(f"stats?days={days}", key=key)
        self.assertEqual(status, 200, answer)
        return answer

    def figures(self, **kwargs):
        stats = self.stats(**kwargs)
        return [stats[key] for key in ("total", "processed", "failed", "pending", "backlog")]

    def partners(self, count):
        self.env["res.partner"].create([{"name": "Ada"}] * count)
        self.env.cr.flush()
        return self.events()

    def test_no_events(self):
        stats = self.stats()
        again = stats.pop("stats")
        self.assertEqual({"success": True, **again}, stats)
        for varying in ("timestamp", "source"):
            self.assertTrue(stats.pop(varying))
        self.assertIsNone(stats.pop("consumer"))
        self.assertEqual(
            stats,
            {
                "success": True,
                "days": 7,
                **dict.fromkeys(("total", "processed", "failed", "pending", "backlog"), 0),
                "by_model": {},
                "by_priority": {"high": 0, "medium": 0, "low": 0},
                "oldest_pending_age": None,
            },
        )

    def test_events_are_counted_by_their_state(self):
        events = self.partners(5)
        ids = events.ids
        self.confirm(ids[:2], {ids[2]: "no handler"})
        self.assertEqual(self.figures(), [5, 2, 1, 2, 2])
        self.confirm(ids[:3])  # two of them for the second time
        self.assertEqual(self.figures(), [5, 3, 0, 2, 2])
        self.confirm([ids[4]])
        self.assertEqual(self.figures(), [5, 4, 0, 1, 1])
        self.assertEqual(self.stats()["by_model"], {"res.partner": 5})
        self.assertEqual(self.stats()["by_priority"], {"high": 0, "medium": 5, "low": 0})
        events[:2].unlink()
        self.assertEqual(self.figures(), [3, 2, 0, 1, 1])
        self.env["webhook.tally"]._count_anew()
        self.assertEqual(self.figures(), [3, 2, 0, 1, 1])

    def test_days_limit_all_but_the_backlog(self):
        old, _young = self.partners(2)
        old.timestamp = fields.Datetime.now() - timedelta(days=10)
        self.env.flush_all()
        stats = self.stats()
        self.assertEqual([stats["total"], stats["pending"], stats["backlog"]], [1, 1, 2])
        self.assertAlmostEqual(stats["oldest_pending_age"], 10 * 86400, delta=600)
        self.assertEqual(self.stats(days=11)["total"], 2)

    def test_consumers_count_what_they_may_see(self):
        self.partners(1)
        company = self.env["res.company"].create({"name": "Other"})
        self.env["res.partner"].create({"name": "Theirs", "company_id": company.id})
        visible = self.stats()["by_model"]["res.partner"]
        self.users["consumer"].company_ids |= company
        self.assertEqual(self.stats()["by_model"]["res.partner"], visible + 1)
        self.users["consumer"].webhook_scope = "some"
        stats = self.stats()
        self.assertEqual((stats["total"], stats["oldest_pending_age"]), (0, None))

    def test_the_tally_is_merged_when_it_has_many_rows(self):
        tally = self.env["webhook.tally"]
        self.partners(1)
        before = self.stats()
        self.env.cr.execute(
            """
            INSERT INTO webhook_tally (day, model, company_id, priority, total, processed)
            SELECT now()::date, 'x', 1, 'low', sign(number - 1000.5), 0
              FROM generate_series(1, 2000) number
            """
        )
        after = self.stats()
        self.assertEqual([after["total"], after["by_model"]], [before["total"], before["by_model"]])
        self.assertEqual(tally.search_count([]), 1)

    def test_events_from_before_there_was_a_tally_are_counted(self):
        self.partners(2)
        self.stats()
        self.env["webhook.tally"].search([]).sudo().unlink()
        self.assertEqual(self.figures(), [2, 0, 0, 2, 2])
        self.env["webhook.tally"].search([]).sudo().unlink()
        self.confirm(self.events()[:1].ids)
        self.assertEqual(self.figures(), [2, 1, 0, 1, 1])

    def test_bad_input(self):
        for days in ("x", "0", "-1", "99999999999999999999999", "3651", ""):
            with self.subTest(days=days):
                self.assertRefused(self.call(f"stats?days={days}"), 400, "invalid_request")
        self.assertRefused(self.call("stats", {}), 405, "method_not_allowed")
        self.assertRefused(self.call("stats", key="clerk"), 403, "forbidden")
