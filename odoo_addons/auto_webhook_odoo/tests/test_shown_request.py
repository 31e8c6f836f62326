import dataclasses
import json
import shutil
import subprocess
from unittest import skipUnless

from odoo.tests import BaseCase, tagged

from ..delivery.connections import open_connections
from ..delivery.endpoint import Endpoint
from ..delivery.oauth import post
from ..delivery.request import headers
from ..delivery.shown_request import (
    WatchedConnections,
    curl,
    expected_headers,
    shown_body,
    shown_headers,
)
from .sink import Sink

SECRET = "whsec_" + "c2VjcmV0" * 4
TOKEN = "user:pass-word"
BODY = '{"payload":{"name":"Zoë\'s \\"$HOME\\" `id` \\\\ %s !! \\n"}}'.encode()


class ShownRequestCase(BaseCase):
    def setUp(self):
        super().setUp()
        self.sink = Sink()
        self.addCleanup(self.sink.close)

    def endpoint(self, **values):
        defaults = {
            "auth_type": "none",
            "auth_token": TOKEN,
            "api_key_header": "X-API-Key",
            "signing_secrets": (),
            "timeout": 5,
            "batch_size": 1,
            "verify_ssl": True,
            "allow_private_network": True,
        }
        return Endpoint(**{"url": self.sink.url, **defaults, **values})

    def endpoints(self):
        """Yield an endpoint for each kind of authentication."""
        for auth_type in ("none", "bearer", "basic", "api_key"):
            yield self.endpoint(auth_type=auth_type, signing_secrets=(SECRET,))


@tagged("post_install", "-at_install")
class TestShownHeaders(ShownRequestCase):
    def test_what_was_sent_is_shown_except_for_secrets(self):
        for endpoint in self.endpoints():
            with self.subTest(auth_type=endpoint.auth_type):
                connections = WatchedConnections(open_connections(True, True))
                self.assertTrue(post(connections, endpoint, "msg_1", BODY).delivered)
                shown = shown_headers(endpoint, connections.headers, BODY, sent=True)
                lines = dict(line.split(": ", 1) for line in shown.splitlines())
                received = self.sink.requests[-1][0]
                self.assertEqual(list(lines), list(received))
                masked = {name for name in lines if lines[name] != received[name]}
                secret = {"Authorization", "X-API-Key"}.intersection(received)
                self.assertEqual(masked, secret)
                for name in secret:
                    self.assertIn(lines[name], ("***", "Bearer ***", "Basic ***"))

    def test_the_signature_is_not_shown_before_it_is_sent(self):
        endpoint = self.endpoint(signing_secrets=(SECRET,))
        named = headers(endpoint, "msg_1", BODY)
        shown = shown_headers(endpoint, named, BODY, sent=False)
        self.assertNotIn(named["webhook-signature"], shown)
        self.assertIn("webhook-id: msg_1", shown)

    def test_headers_that_an_administrator_has_added_are_masked(self):
        own = [["X-Tenant", "of Ada"], ["user-agent", "Ada's Odoo"]]
        endpoint = self.endpoint(own_headers=own)
        named = expected_headers(endpoint, "msg_1", BODY)
        lines = shown_headers(endpoint, named, BODY, sent=True).splitlines()
        self.assertIn("X-Tenant: ***", lines)
        self.assertIn("User-Agent: ***", lines)
        self.assertNotIn("Ada", curl(endpoint, named, BODY))

    def test_an_access_token_is_masked(self):
        oauth = {"url": self.sink.url, "id": "odoo", "secret": "abc", "in_body": False}
        oauth |= {"scope": "", "audience": ""}
        endpoint = self.endpoint(auth_type="oauth2", auth_token="", oauth=oauth)
        expected = expected_headers(endpoint, "msg_1", BODY)
        self.assertIn("Bearer $TOKEN", curl(endpoint, expected, BODY))
        for answer in (503, (200, {}, b'{"access_token": "top-secret"}')):
            self.sink._answers = [answer]
            connections = WatchedConnections(open_connections(True, True))
            outcome = post(connections, endpoint, "msg_1", BODY)
            with self.subTest(answer=answer):
                self.assertEqual(bool(connections.headers), outcome.delivered)
                sent = connections.headers or expected
                shown = shown_headers(endpoint, sent, BODY, sent=bool(connections.headers))
                self.assertIn("Authorization: Bearer ***", shown)
        self.assertEqual(self.sink.requests[-1][0]["Authorization"], "Bearer top-secret")

    def test_a_token_in_a_harmless_header_is_masked(self):
        for name in ("User-Agent", "webhook-signature"):
            endpoint = self.endpoint(auth_type="api_key", api_key_header=name)
            named = headers(endpoint, "msg_1", BODY)
            with self.subTest(name=name):
                self.assertIn(f"{name}: ***", shown_headers(endpoint, named, BODY, sent=True))
                self.assertNotIn(TOKEN, curl(endpoint, named, BODY))

    def test_the_host_is_the_one_that_is_sent(self):
        for url, host in (
            ("https://example.com/hook", "example.com"),
            ("https://example.com:443/hook", "example.com"),
            ("http://example.com:8069", "example.com:8069"),
            ("http://[::1]:8069/hook", "[::1]:8069"),
            ("https://bücher.example/hook", "xn--bcher-kva.example"),
        ):
            with self.subTest(url=url):
                shown = shown_headers(self.endpoint(url=url), {}, BODY, sent=False)
                self.assertEqual(shown.splitlines()[0], f"Host: {host}")

    def test_a_body_is_shown_in_lines(self):
        self.assertEqual(
            shown_body(b'{"a":[1,"\xc3\xa9"]}'), '{\n  "a": [\n    1,\n    "é"\n  ]\n}'
        )


@tagged("post_install", "-at_install")
@skipUnless(shutil.which("curl"), "curl is not installed")
class TestCurl(ShownRequestCase):
    """The command is run by a real shell, and the endpoint compares what it gets."""

    def run_command(self, command, **variables):
        subprocess.run(  # noqa: S602  # the shell is what is tested
            command,
            shell=True,
            check=True,
            timeout=30,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", **variables},
        )
        return self.sink.requests[-1]

    def test_it_sends_the_same_request(self):
        for endpoint in self.endpoints():
            with self.subTest(auth_type=endpoint.auth_type):
                named = headers(endpoint, "msg_1", BODY)
                command = curl(endpoint, named, BODY)
                for secret in (*endpoint.secrets, named["webhook-signature"]):
                    self.assertNotIn(secret, command)
                received, body = self.run_command(
                    command,
                    TOKEN=TOKEN,
                    TIMESTAMP=named["webhook-timestamp"],
                    SIGNATURE=named["webhook-signature"],
                )
                self.assertEqual(body, BODY)
                for name, value in named.items():
                    if name != "Accept-Encoding":
                        self.assertEqual(received[name], value)

    def test_a_body_larger_than_an_argument_may_be(self):
        body = json.dumps({"text": "é'" * 100_000}, ensure_ascii=False).encode()
        endpoint = self.endpoint()
        command = curl(endpoint, headers(endpoint, "msg_1", body), body)
        # a shell that somebody pastes into reads its input, too
        subprocess.run(
            ["sh"],  # noqa: S607
            input=command.encode(),
            check=True,
            timeout=30,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.assertEqual(self.sink.requests[-1][1], body)

    def test_a_client_certificate_is_named_and_not_shown(self):
        endpoint = self.endpoint(client_certificate="the certificate", client_key="the key")
        command = curl(endpoint, headers(endpoint, "msg_1", BODY), BODY)
        self.assertIn('--cert "$CERTIFICATE_FILE" --key "$KEY_FILE"', command)
        self.assertNotIn("the key", command)

    def test_odd_headers_and_addresses(self):
        url = self.sink.url + "/{a,b}[1-2]?x=$HOME&y='z'"
        endpoint = dataclasses.replace(
            self.endpoint(), url=url, auth_type="api_key", api_key_header="X-$HOME`id`"
        )
        command = curl(endpoint, {"X-$HOME`id`": TOKEN, "X-Tenant": "Ada"}, BODY)
        received, body = self.run_command(command, TOKEN=TOKEN, HEADER_X_TENANT="Ada")
        self.assertEqual(body, BODY)
        self.assertEqual(received["X-$HOME`id`"], TOKEN)
        self.assertEqual(received["X-Tenant"], "Ada")
        self.assertEqual(len(self.sink.requests), 1)
