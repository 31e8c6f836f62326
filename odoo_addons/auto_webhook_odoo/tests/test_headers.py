from odoo.tests import BaseCase, tagged

from ..wire.headers import check_header_name, check_header_value


@tagged("post_install", "-at_install")
class TestHeaders(BaseCase):
    def test_names(self):
        for name in ("X-API-Key", "Authorization", "User-Agent", "Cookie", "X_a.b", "Hosts", "TEx"):
            with self.subTest(name=name):
                check_header_name(name)
        for name in (
            *("", " ", "X Key", "X-Key:", "X-Key\r\nX-Other", "X-Key\n", "(X)", "Schlüssel"),
            *("Connection", "Keep-Alive", "TE", "trailer", "Transfer-Encoding", "Upgrade"),
            *("content-length", "Content-Type", "Content-Encoding", "Accept-Encoding"),
            *("Host", "HOST", "Expect", "Proxy-Authorization", "proxy-connection"),
            *("webhook-id", "Webhook-Signature", "HTTP2-Settings"),
        ):
            with self.subTest(name=name), self.assertRaises(ValueError):
                check_header_name(name)

    def test_values(self):
        for value in ("a", "Bearer abc", 'a=b; c="d"', "~" * 4096):
            with self.subTest(value=value[:20]):
                check_header_value(value)
        for value in ("", " a", "a ", "a\tb", "a\r\nX-Other: b", "a\n", "\0", "töken", "\x7f"):
            with self.subTest(value=value), self.assertRaises(ValueError):
                check_header_value(value)
