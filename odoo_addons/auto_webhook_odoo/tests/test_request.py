from odoo.tests import BaseCase, tagged

from ..delivery.request import headers, secret_headers
from .test_transport import endpoint


@tagged("post_install", "-at_install")
class TestRequest(BaseCase):
    def test_own_headers_are_sent_once_and_are_secret(self):
        target = endpoint(
            "",
            own_headers=[["X-Key", "abc"], ["user-agent", "Us"]],
            auth_type="basic",
            auth_token="u:p",
        )
        sent = headers(target, "msg_1", b"{}")
        self.assertEqual(sent["X-Key"], "abc")
        self.assertEqual(sent["User-Agent"], "Us")
        self.assertEqual(len(sent), len({name.lower() for name in sent}))
        self.assertEqual(set(secret_headers(target)), {"X-Key", "User-Agent", "Authorization"})

    def test_without_credentials_nothing_is_secret(self):
        self.assertFalse(secret_headers(endpoint("")))
        self.assertEqual(headers(endpoint(""), "msg_1", b"{}")["User-Agent"], "auto_webhook_odoo")

    def test_values_of_own_headers_are_masked(self):
        target = endpoint("", own_headers=[["Authorization", "Token abc"]])
        self.assertEqual(target.secrets, ("Token abc", "abc"))
