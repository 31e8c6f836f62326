from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common_http import FeedHttpCase


@tagged("post_install", "-at_install")
class TestKeyWizard(FeedHttpCase):
    """An administrator makes a key for the feed in the form of a user."""

    def wizard(self, login):
        return self.env["webhook.key"].create({"user_id": self.users[login].id, "name": "Receiver"})

    def test_a_key_opens_the_feed_and_nothing_else(self):
        action = self.wizard("receiver")._make_key()
        key = action["context"]["default_key"]
        self.assertEqual(self.call("pull", {}, key=key)[0], 200)
        rpc = self.url_open(
            "/json/2/res.users/context_get",
            data="{}",
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        self.assertEqual(rpc.status_code, 401)
        (made,) = self.env["res.users.apikeys"].search([("name", "=", "Receiver")])
        self.assertEqual((made.user_id, made.scope), (self.users["receiver"], "webhook"))
        made._remove()
        self.assertRefused(self.call("pull", {}, key=key), 401, "unauthorized")

    def test_no_key_for_a_user_who_may_not_read_the_feed(self):
        with self.assertRaisesRegex(UserError, "Webhook receiver"):
            self.wizard("clerk")

    def test_only_administrators_make_them(self):
        wizard = self.wizard("receiver")
        with self.assertRaises(AccessError):
            wizard.with_user(self.users["clerk"])._make_key()
        with self.assertRaises(UserError):  # and only after they have shown who they are
            wizard.make_key()
