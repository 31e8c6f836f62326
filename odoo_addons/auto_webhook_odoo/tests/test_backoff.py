from odoo.tests import BaseCase

from odoo.addons.auto_webhook_odoo.wire.backoff import retry_delay


class TestBackoff(BaseCase):
    def test_delays(self):
        for attempt, base, maximum, random, expected in [
            (1, 5, 3600, 0.5, 5),
            (2, 5, 3600, 0.5, 10),
            (5, 5, 3600, 0.5, 80),  # 5 · 2^4
            (11, 5, 3600, 0.5, 3600),  # 5 · 2^10 = 5120, capped
            (5000, 5, 3600, 0.5, 3600),  # 2^4999 would overflow
            (1, 5, 3600, 0.0, 4),  # -20 %
            (1, 5, 3600, 1.0, 6),  # +20 %
        ]:
            with self.subTest(attempt=attempt, random=random):
                delay = retry_delay(attempt, base, maximum, lambda value=random: value)
                self.assertAlmostEqual(delay, expected)

    def test_attempts_are_counted_from_one(self):
        with self.assertRaisesRegex(ValueError, "from 1"):
            retry_delay(0, 5, 3600, lambda: 0.5)
