from lxml import etree

from odoo.tests import TransactionCase, tagged


@tagged("post_install", "-at_install")
class TestViews(TransactionCase):
    def test_a_filter_on_events_narrows_the_default_one(self):
        """Odoo joins adjacent filters with *or*, so something must stand between them."""
        view = self.env["update.webhook"].get_view(view_type="search")
        arch = etree.fromstring(view["arch"])
        (default,) = arch.xpath("//filter[@name='current']")
        self.assertNotEqual(default.getprevious().tag, "filter")
        self.assertNotEqual(default.getnext().tag, "filter")
