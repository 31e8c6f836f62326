import base64
import os
import pathlib
import socket
import tempfile
import threading
import time
from unittest.mock import patch

from odoo.exceptions import AccessError, ValidationError
from odoo.modules.module import get_module_path
from odoo.tests import BaseCase, TransactionCase, tagged

from ..delivery import sender, tunnel
from ..delivery.connections import open_connections
from ..delivery.transport import post
from ..wire.proxy import ProxySettingError, goes_direct, parse_exceptions, parse_proxy, proxy_of
from .certificates import issue
from .proxy_server import ProxyServer
from .servers import ServerCase
from .sink import Sink
from .test_subscriber import SubscriberCase
from .test_transport import endpoint, send

_SYSTEM_LOOK_UP = socket.getaddrinfo
_PASSWORD = "p@ss-of-the-proxy"


class TestProxySettings(BaseCase):
    def test_addresses(self):
        for text, shown, credentials in (
            ("http://proxy.example.com:3128", "proxy.example.com:3128", ""),
            (" HTTP://Proxy:8080/ ", "proxy:8080", ""),
            ("http://user:p%40ss%2F@10.0.0.1:3128", "10.0.0.1:3128", "user:p@ss/"),
            ("http://user@proxy:3128", "proxy:3128", "user:"),
            ("http://[fd00::1]:3128", "[fd00::1]:3128", ""),
        ):
            with self.subTest(text=text):
                proxy = parse_proxy(text)
                self.assertEqual((str(proxy), proxy.credentials), (shown, credentials))
                self.assertNotIn(credentials or "?", repr(proxy))

    def test_wrong_addresses_are_refused_without_their_password(self):
        for text in (
            *("https://proxy:3128", "proxy:3128", "http://proxy", "http://proxy:0", "socks5://p:1"),
            *("http://proxy:70000", "http://user:secret/@proxy:3128", "http://u:sec@ret@proxy:1"),
            *(
                "http://proxy:3128/path",
                "http://proxy:3128?secret",
                "http://pro xy:3128",
                "http://",
            ),
        ):
            with self.subTest(text=text), self.assertRaises(ProxySettingError) as raised:
                parse_proxy(text)
            self.assertNotIn("secret", str(raised.exception))

    def test_exceptions(self):
        exceptions = parse_exceptions(
            "Hooks.example.com, *.intern.example 10.0.0.0/8;fd00::/8\n192.168.1.5, bücher.example,"
        )
        for host, direct in {
            "hooks.example.com": True,
            "HOOKS.example.com.": True,
            "more.hooks.example.com": False,
            "a.b.intern.example": True,
            "intern.example": False,
            "xn--bcher-kva.example": True,
            "10.1.2.3": True,
            "11.1.2.3": False,
            "192.168.1.5": True,
            "[fd00::1]": True,
            "[fe00::1]": False,
        }.items():
            with self.subTest(host=host):
                self.assertEqual(goes_direct(host, exceptions), direct)

    def test_this_machine_is_never_reached_through_the_proxy(self):
        for host in ("localhost", "odoo.localhost", "127.0.0.1", "127.1.2.3", "[::1]"):
            with self.subTest(host=host):
                self.assertIsNone(proxy_of(host, "http://proxy:3128", ""))
        self.assertTrue(proxy_of("localhost.example", "http://proxy:3128", ""))

    def test_wrong_exceptions(self):
        for text in (
            "http://a.example",
            "a.example:80",
            "*",
            "*a.example",
            "a/b",
            "a..b",
            "1.2/33",
        ):
            with self.subTest(text=text), self.assertRaisesRegex(ProxySettingError, "neither"):
                parse_exceptions(f"b.example, {text}")


@tagged("post_install", "-at_install")
class TestThroughProxy(ServerCase):
    def setUp(self):
        super().setUp()
        self.look_up()  # no name is known here

    def proxy(self, *args, **options):
        proxy = ProxyServer(*args, **options)
        self.addCleanup(proxy.close)
        return proxy

    def through(self, proxy, url, user="", **values):
        """Return an endpoint that is reached through a proxy.

        :param user: ``user:password@`` as in a URL
        """
        address = proxy.address.replace("//", f"//{user}")
        return endpoint(url, **{"proxy": address, "timeout": 5, **values})

    def look_up(self, **addresses):
        """Have names that begin so resolve to these addresses here, and no others."""
        system = _SYSTEM_LOOK_UP

        def look_up(host, *args, flags=0, **options):
            if not flags:
                host = addresses.get(host.partition(".")[0], host)
            return system(host, *args, flags=socket.AI_NUMERICHOST, **options)

        self.startPatcher(patch("socket.getaddrinfo", look_up))

    def secure_server(self):
        """Return the URL of a server whose certificate is trusted."""
        issued = issue("hooks.example.com")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        bundle = pathlib.Path(directory.name, "bundle.pem")
        bundle.write_text(issued.certificate)
        self.startPatcher(patch.dict(os.environ, REQUESTS_CA_BUNDLE=str(bundle)))
        return self.tls_server(issued).replace("localhost", "hooks.example.com")

    def test_https_goes_through_a_tunnel_and_the_proxy_sees_no_secret_of_the_endpoint(self):
        url = self.secure_server() + "secret-path"
        proxy = self.proxy({"hooks.example.com": "127.0.0.1"})
        target = self.through(
            proxy,
            url,
            user="user:p%40ss@",
            allow_private_network=False,
            auth_type="bearer",
            auth_token="token",
            signing_secrets=("whsec_" + "QUJD" * 8,),
        )
        connections = open_connections(*target.way)
        for _time in range(3):
            outcome = post(connections, target, "msg_1", b"{}")
            self.assertTrue(outcome.delivered, outcome.error)
        authority = url.split("/")[2].encode()
        credentials = base64.b64encode(b"user:p@ss")
        (head,) = proxy.heads  # the connection is kept
        self.assertEqual(
            head,
            b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nProxy-Authorization: Basic %b\r\n\r\n"
            % (authority, authority, credentials),
        )

    def test_http_goes_to_the_proxy_with_its_whole_url(self):
        sink = Sink()
        self.addCleanup(sink.close)
        proxy = self.proxy({"hooks.example.com": "127.0.0.1"})
        url = sink.url.replace("127.0.0.1", "hooks.example.com")
        target = self.through(proxy, url, allow_private_network=False)
        connections = open_connections(*target.way)
        outcome = post(connections, target, "msg_1", b'{"a": 1}')
        self.assertTrue(outcome.delivered, outcome.error)
        line, host, *_headers = proxy.heads[0].split(b"\r\n")
        self.assertEqual(line, f"POST {url} HTTP/1.1".encode())
        self.assertEqual(host, f"Host: {url.split('/')[2]}".encode())
        ((_headers, body),) = sink.requests
        self.assertEqual(body, b'{"a": 1}')

    def test_exceptions_and_this_machine_are_reached_directly(self):
        sink = Sink()
        self.addCleanup(sink.close)
        proxy = self.proxy()
        self.look_up(hooks="127.0.0.1")
        for host, exceptions in (("127.0.0.1", ""), ("hooks.example.com", "*.example.com")):
            url = sink.url.replace("127.0.0.1", host)
            outcome = send(self.through(proxy, url, proxy_exceptions=exceptions))
            self.assertTrue(outcome.delivered, outcome.error)
        self.assertFalse(proxy.heads)

    def test_addresses_that_are_known_here_are_checked(self):
        self.look_up(intern="10.1.2.3", cloud="169.254.169.254", public="93.184.216.34")
        proxy = self.proxy(refusal=b"HTTP/1.1 502 No\r\n\r\n")
        for host, private, refused in (
            ("10.1.2.3", False, "private network"),
            ("10.0x10203", False, "private network"),
            ("10.1.2.3.", False, "private network"),
            ("[::ffff:10.1.2.3]", False, "private network"),
            ("intern.example", False, "private network"),
            ("intern.example", True, ""),
            ("public.example", False, ""),
            ("unknown.example", False, ""),
            ("169.254.169.254", True, "link-local"),
            ("2852039166", True, "link-local"),
            ("cloud.example", True, "link-local"),
        ):
            for scheme in ("http", "https"):
                with self.subTest(host=host, private=private, scheme=scheme):
                    proxy.heads.clear()
                    target = self.through(
                        proxy, f"{scheme}://{host}/", allow_private_network=private
                    )
                    error = send(target).error
                    self.assertIn(refused or "502", error)
                    self.assertEqual(bool(proxy.heads), not refused)

    def test_literal_addresses_are_checked_however_busy_this_machine_is(self):
        proxy = self.proxy(refusal=b"")
        with patch.object(tunnel, "_looked_up", return_value=()):  # no answer in time
            error = send(self.through(proxy, "https://169.254.169.254/")).error
        self.assertIn("link-local", error)
        self.assertFalse(proxy.heads)

    def test_a_name_server_that_says_nothing_holds_up_no_delivery(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        numeric = socket.getaddrinfo

        def look_up(host, *args, **options):
            if host == "hooks.example.com" and not options.get("flags"):
                stop.wait(20)
            return numeric(host, *args, **options)

        proxy = self.proxy({"hooks.example.com": "127.0.0.1"})
        url = self.secure_server()
        started = time.monotonic()
        with patch("socket.getaddrinfo", look_up), patch.object(tunnel, "_LOOK_UP_TIMEOUT", 0.2):
            outcome = send(self.through(proxy, url))
        self.assertTrue(outcome.delivered, outcome.error)
        self.assertLess(time.monotonic() - started, 3)

    def test_the_proxy_may_be_private_but_not_link_local(self):
        target = endpoint("https://hooks.example.com/", proxy="http://169.254.1.1:3128", timeout=5)
        self.assertIn("169.254.1.1 is a link-local", send(target).error)

    def test_failures_name_the_proxy_and_no_password(self):
        long = b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 200
        for answer, text in (
            (b"HTTP/1.1 407 Who?\r\n\r\n", "asks for a user and a password (HTTP 407)."),
            (b"HTTP/1.1 502 No\r\n\r\n", "could not reach the endpoint (HTTP 502 from CONNECT)."),
            (b"HTTP/1.1 504 No\r\n\r\n", "could not reach the endpoint (HTTP 504 from CONNECT)."),
            (
                b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nsomething",
                "refused to connect to the endpoint (HTTP 403 from CONNECT).",
            ),
            (b"", "refused or dropped the connection."),
            (b"SSH-2.0-OpenSSH\r\n", "does not answer as a proxy does."),
            (long, "does not answer as a proxy does."),
        ):
            with self.subTest(text=text):
                proxy = self.proxy(refusal=answer)
                outcome = send(self.through(proxy, "https://hooks.example.com/"))
                self.assertEqual(outcome.error, f"The proxy 127.0.0.1:{proxy.port} {text}")
                self.assertFalse(outcome.timed_out)

    def test_a_password_that_the_proxy_does_not_accept(self):
        proxy = self.proxy(refusal=b"HTTP/1.1 407 No\r\n\r\n")
        target = self.through(proxy, "https://hooks.example.com/", "user:secret@")
        text = f"The proxy 127.0.0.1:{proxy.port} does not accept the user and the password"
        self.assertEqual(send(target).error, f"{text} (HTTP 407).")

    def test_the_proxy_is_named_if_it_is_away(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        for scheme in ("http", "https"):
            for host, text in (
                (f"127.0.0.1:{port}", f"The proxy 127.0.0.1:{port} refused or dropped"),
                ("nowhere.invalid:3128", "The name of the proxy nowhere.invalid:3128 is unknown."),
            ):
                target = endpoint(f"{scheme}://hooks.example.com/", proxy=f"http://u:secret@{host}")
                outcome = send(target)
                with self.subTest(scheme=scheme, host=host):
                    self.assertIn(text, outcome.error)
                    self.assertNotIn("secret", outcome.error)

    def test_a_proxy_that_says_nothing_ends_with_the_timeout(self):
        proxy = self.proxy(silent=True)
        outcome = send(self.through(proxy, "https://hooks.example.com/", timeout=1))
        text = f"The proxy 127.0.0.1:{proxy.port} did not reach the endpoint in time."
        self.assertEqual(outcome.error, text)
        self.assertLess(outcome.duration, 3000)

    def test_informational_answers_of_a_proxy_are_passed_over(self):
        answer = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 503 No\r\n\r\n"
        error = send(self.through(self.proxy(refusal=answer), "https://hooks.example.com/")).error
        self.assertIn("could not reach the endpoint (HTTP 503 from CONNECT).", error)

    def test_an_answer_to_http_may_be_the_proxys_own(self):
        credentials = base64.b64encode(b"user:" + _PASSWORD.encode())
        for status, text in (
            (407, "HTTP 407: the proxy asks for a user and a password, or does not accept them."),
            (502, "HTTP 502: the endpoint failed."),
        ):
            page = b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (
                *(status, len(credentials)),
                credentials,
            )
            proxy = self.proxy(refusal=page)
            user = f"user:{_PASSWORD.replace('@', '%40')}@"
            target = self.through(proxy, "http://hooks.example.com/", user)
            through = f"The answer came through the proxy 127.0.0.1:{proxy.port}."
            self.assertEqual(send(target).error, f"{text} {through} ***")

    def test_a_proxy_that_opens_encrypted_connections_is_suspected(self):
        url = self.tls_server(issue("hooks.example.com")).replace("localhost", "hooks.example.com")
        proxy = self.proxy({"hooks.example.com": "127.0.0.1"})
        error = send(self.through(proxy, url)).error
        self.assertRegex(error, r"could not be verified: self.signed certificate\. If the proxy ")
        self.assertIn(f"127.0.0.1:{proxy.port} opens encrypted connections", error)

    def test_settings_that_were_not_checked(self):
        target = endpoint("https://hooks.example.com/", proxy="http://user:secret@proxy")
        self.assertRegex(send(target).error, r"^Settings → Webhooks: the proxy must have the form")
        self.assertNotIn("secret", send(target).error)
        target = endpoint("https://a.example/", proxy="http://proxy:1", proxy_exceptions="*")
        self.assertRegex(send(target).error, r"^Settings → Webhooks: “\*” is neither")
        sink = Sink(400)
        self.addCleanup(sink.close)
        self.assertEqual(send(endpoint(sink.url, proxy="proxy")).status, 400)  # without the proxy


@tagged("post_install", "-at_install")
class TestSettings(SubscriberCase):
    def save(self, **values):
        self.env["res.config.settings"].create(values).execute()

    def test_wrong_settings_are_refused(self):
        for values in (
            {"webhook_proxy": "proxy:secret"},
            {"webhook_proxy": "http://user:secret/@proxy:3128"},
            {"webhook_proxy_exceptions": "*"},
        ):
            with self.subTest(**values), self.assertRaises(ValidationError) as raised:
                self.env["res.config.settings"].create(values)
            self.assertNotIn("secret", str(raised.exception))

    def test_they_get_to_the_connections_of_every_subscriber(self):
        subscriber = self.subscriber()
        before = subscriber._endpoint().way
        self.assertEqual(before[4:], ("", ""))
        address = "http://user:secret@proxy.example.com:3128"
        self.save(webhook_proxy=address, webhook_proxy_exceptions="*.example.com")
        self.env.flush_all()
        self.assertEqual(subscriber._endpoint().way, (*before[:4], address, "*.example.com"))
        self.save(webhook_proxy=False, webhook_proxy_exceptions=False)
        self.env.flush_all()
        self.assertEqual(subscriber._endpoint().way, before)

    def test_failing_endpoints_are_tried_again_after_a_change(self):
        failing = self.subscriber(consecutive_failures=3, paused_until="2100-01-01")
        self.subscriber()
        with patch.object(sender, "wake_sender") as wake_sender:
            self.save(webhook_delete_days=80)
            self.assertEqual(failing.consecutive_failures, 3)
            self.save(webhook_proxy="http://proxy.example.com:3128")
        self.assertFalse(failing.consecutive_failures or failing.paused_until)
        woken = {number for call in wake_sender.call_args_list for number in call.args[1]}
        self.assertEqual(woken, {failing.id})

    def test_a_neutralised_copy_has_no_proxy(self):
        self.save(webhook_proxy="http://user:secret@proxy.example.com:3128")
        self.env.flush_all()
        script = pathlib.Path(get_module_path("auto_webhook_odoo"), "data", "neutralize.sql")
        self.env.cr.execute(script.read_text())
        self.assertEqual(self.subscriber()._endpoint().proxy, "")

    def test_only_system_administrators_read_the_proxy(self):
        manager = self.webhook_user("manager")
        self.save(webhook_proxy="http://user:secret@proxy.example.com:3128")
        with self.assertRaises(AccessError):
            self.env["ir.config_parameter"].with_user(manager).get_param("auto_webhook_odoo.proxy")


@tagged("post_install", "-at_install")
class TestUnusedProxy(TransactionCase):
    """Odoo's environment may name a proxy that webhooks do not use."""

    def hint(self, url, environment, **values):
        variables = ("http_proxy", "https_proxy", "all_proxy")
        with patch.dict(os.environ):
            for name in (*variables, *map(str.upper, variables)):
                os.environ.pop(name, None)
            os.environ.update(environment)
            return self.env["webhook.subscriber"]._unused_proxy(endpoint(url, **values))

    def test_the_hint_names_the_variable_and_not_its_value(self):
        secret = "http://user:secret@proxy:3128"
        for url, name in (
            *(("https://a.example", "HTTPS_PROXY"), ("https://a.example", "https_proxy")),
            *(("http://a.example", "HTTP_PROXY"), ("http://a.example", "ALL_PROXY")),
        ):
            with self.subTest(url=url, name=name):
                hint = self.hint(url, {name: secret})
                self.assertIn(f" sets {name}, which webhooks do not use", hint)
                self.assertNotIn("secret", hint)

    def test_send_test_shows_the_hint_if_there_was_no_answer(self):
        sink = Sink(500)
        self.addCleanup(sink.close)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for url, hinted in ((sink.url, False), (closed, True)):
            subscriber = self.env["webhook.subscriber"].create(
                {"name": "Sink", "url": url, "allow_private_network": True}
            )
            with (
                patch.object(self.env.cr, "commit"),
                patch.dict(os.environ, HTTP_PROXY="http://user:secret@proxy:3128"),
            ):
                shown = subscriber.action_test()["params"]["message"]
            self.assertEqual("sets HTTP_PROXY, which webhooks do not use" in shown, hinted, shown)
            self.assertNotIn("secret", shown)

    def test_no_hint_without_a_reason(self):
        self.assertEqual(self.hint("https://a.example", {}), "")
        self.assertEqual(self.hint("https://a.example", {"HTTP_PROXY": "http://proxy:1"}), "")
        used = {"proxy": "http://proxy.example.com:3128"}
        self.assertEqual(self.hint("https://a.example", {"HTTPS_PROXY": "http://p:1"}, **used), "")
