import dataclasses
import json
import socket
import threading
import time
import urllib.parse
from unittest.mock import patch

from odoo.exceptions import ValidationError
from odoo.tests import BaseCase, tagged

from ..delivery.connections import open_connections
from ..delivery.endpoint import Endpoint
from ..delivery.oauth import post
from .delivery_case import DeliveryCase
from .sink import Sink

_TOKEN_URL = "https://login.example.com/token"


def token(value="token-1", **values):
    """Return the answer of a token endpoint."""
    answer = {"access_token": value, "token_type": "Bearer", "expires_in": 3600, **values}
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


class OAuthCase(BaseCase):
    def sink(self, *answers):
        sink = Sink(*answers)
        self.addCleanup(sink.close)
        return sink

    def setUp(self):
        super().setUp()
        self.api = self.sink()

    def endpoint(self, token_url, timeout=5, **values):
        client = {
            "url": token_url,
            "id": "odoo",
            "secret": "s:cret/+",
            "in_body": False,
            "scope": "",
            "audience": "",
        }
        return Endpoint(
            url=self.api.url,
            auth_type="oauth2",
            auth_token="",
            api_key_header="",
            signing_secrets=(),
            timeout=timeout,
            batch_size=1,
            verify_ssl=True,
            allow_private_network=True,
            oauth=client | values,
        )

    def post(self, endpoint, allow_private=True):
        return post(open_connections(allow_private, True), endpoint, "msg_1", b"{}")

    def used(self):
        """Return what the messages of the endpoint had in the header Authorization."""
        return [headers.get("Authorization") for headers, _body in self.api.requests]


@tagged("post_install", "-at_install")
class TestOAuth(OAuthCase):
    def test_one_token_serves_many_messages(self):
        server = self.sink(token())
        endpoint = self.endpoint(server.url, scope="a b", audience="https://api.example.com")
        for _message in range(3):
            self.assertTrue(self.post(endpoint).delivered)
        self.assertEqual(self.used(), ["Bearer token-1"] * 3)
        [(headers, body)] = server.requests
        self.assertEqual(
            dict(urllib.parse.parse_qsl(body.decode())),
            {
                "grant_type": "client_credentials",
                "scope": "a b",
                "audience": "https://api.example.com",
            },
        )
        self.assertEqual(headers["Content-Type"], "application/x-www-form-urlencoded")
        # base64 of odoo:s%3Acret%2F%2B
        self.assertEqual(headers["Authorization"], "Basic b2RvbzpzJTNBY3JldCUyRiUyQg==")

    def test_the_secret_may_go_into_the_body(self):
        server = self.sink(token())
        self.assertTrue(self.post(self.endpoint(server.url, in_body=True)).delivered)
        [(headers, body)] = server.requests
        self.assertNotIn("Authorization", headers)
        self.assertEqual(
            dict(urllib.parse.parse_qsl(body.decode())),
            {"grant_type": "client_credentials", "client_id": "odoo", "client_secret": "s:cret/+"},
        )

    def test_other_settings_have_another_token(self):
        server = self.sink(token("token-1"), token("token-2"))
        self.post(self.endpoint(server.url))
        self.post(self.endpoint(server.url, scope="other"))
        self.assertEqual(self.used(), ["Bearer token-1", "Bearer token-2"])

    def test_a_token_is_renewed_before_it_expires(self):
        for expires_in, valid_for in (
            (3600, 3540),
            ("3600", 3540),
            (40, 20),
            (None, 240),
            ("soon", 240),
        ):
            with self.subTest(expires_in=expires_in):
                server = self.sink(token("a", expires_in=expires_in), token("b"))
                endpoint = self.endpoint(server.url)
                now = time.monotonic()
                clock = "odoo.addons.auto_webhook_odoo.delivery.oauth.time.monotonic"
                for later, expected in ((0, "a"), (valid_for - 2, "a"), (valid_for + 2, "b")):
                    with patch(clock, return_value=now + later):
                        self.assertTrue(self.post(endpoint).delivered)
                    self.assertEqual(self.used()[-1], f"Bearer {expected}")

    def test_a_token_without_lifetime_is_used_once(self):
        for expires_in in (0, -5, float("nan")):
            with self.subTest(expires_in=expires_in):
                server = self.sink(token("a", expires_in=expires_in), token("b"))
                endpoint = self.endpoint(server.url)
                self.post(endpoint)
                self.post(endpoint)
                self.assertEqual(self.used()[-2:], ["Bearer a", "Bearer b"])

    def test_a_token_that_is_refused_is_replaced_within_the_attempt(self):
        server = self.sink(token("old"), token("new"))
        endpoint = self.endpoint(server.url)
        self.api = self.sink(200, 401)
        endpoint = dataclasses.replace(endpoint, url=self.api.url)
        self.post(endpoint)
        outcome = self.post(endpoint)
        self.assertTrue(outcome.delivered)
        self.assertEqual(self.used(), ["Bearer old", "Bearer old", "Bearer new"])
        self.assertEqual({headers["webhook-id"] for headers, _body in self.api.requests}, {"msg_1"})

    def test_a_new_token_that_is_refused_is_a_failure(self):
        server = self.sink(token("old"), token("new"), token("newer"))
        self.api = self.sink(401, 200, 401, 401)
        endpoint = self.endpoint(server.url)
        self.assertEqual(self.post(endpoint).status, 401)
        self.assertTrue(self.post(endpoint).delivered)  # with another token
        outcome = self.post(endpoint)
        self.assertEqual((outcome.status, outcome.unsent), (401, False))
        self.assertEqual(self.used(), ["Bearer old", "Bearer new", "Bearer new", "Bearer newer"])

    def test_a_token_endpoint_that_refuses_is_named(self):
        for answer, error in (
            (
                (401, {}, b'{"error": "invalid_client", "error_description": "odoo, s:cret/+?"}'),
                "The token endpoint answered HTTP 401: invalid_client: odoo, ***?",
            ),
            (
                (400, {}, b'{"error": "invalid_scope"}'),
                "The token endpoint answered HTTP 400: invalid_scope",
            ),
            (
                (403, {}, b"<h1>No b2RvbzpzJTNBY3JldCUyRiUyQg==</h1>"),
                "The token endpoint answered HTTP 403: <h1>No ***</h1>",
            ),
            ((410, {}, b""), "The token endpoint answered HTTP 410"),
            (
                (302, {"Location": "https://example.com"}, b""),
                "The token endpoint answered HTTP 302",
            ),
            (
                (400, {}, b'{"error": 5, "error_description": "\\ud800\\u0000"}'),
                "The token endpoint answered HTTP 400: ?",
            ),
        ):
            with self.subTest(error=error):
                server = self.sink(answer)
                outcome = self.post(self.endpoint(server.url))
                self.assertEqual(outcome.error, error)
                self.assertIsNone(outcome.status)
                self.assertTrue(outcome.unsent)
                self.assertFalse(outcome.timed_out)
        self.assertFalse(self.api.requests)

    def test_answers_without_a_usable_token(self):
        for answer in (
            *(b"", b"[]", b"null", b"{", b"\xff", b'{"access_token": 5}', b'{"access_token": ""}'),
            *(b"[" * 60_000, b'{"access_token": "' + b"x" * 200_000 + b'"}'),
            token("a\r\nX-Other: b")[2],
            token("a b")[2],
            token("a", token_type="mac")[2],
            token("a", token_type=None)[2],
        ):
            with self.subTest(answer=answer[:30]):
                outcome = self.post(self.endpoint(self.sink((200, {}, answer)).url))
                self.assertIn("The token endpoint answered with", outcome.error)
                self.assertEqual(outcome.response, "")
        self.assertFalse(self.api.requests)
        answer = {"access_token": "abc"}  # RFC 6749 wants the type, some servers forget it
        server = self.sink((200, {}, json.dumps(answer).encode()))
        self.assertTrue(self.post(self.endpoint(server.url)).delivered)

    def test_the_token_endpoint_may_ask_for_a_pause(self):
        outcome = self.post(self.endpoint(self.sink((429, {"Retry-After": "77"}, b"")).url))
        self.assertEqual(outcome.retry_after, 77)

    def test_the_same_addresses_are_refused(self):
        server = self.sink(token())
        endpoint = dataclasses.replace(self.endpoint(server.url), allow_private_network=False)
        outcome = self.post(endpoint, allow_private=False)
        self.assertIn("The token endpoint failed: 127.0.0.1 is in a private network", outcome.error)
        self.assertFalse(server.requests)

    def test_the_token_is_part_of_the_time_of_the_attempt(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            started = time.monotonic()
            outcome = self.post(self.endpoint(url, timeout=0.5))
        self.assertLess(time.monotonic() - started, 3)
        self.assertEqual(
            outcome.error, "The token endpoint failed: The endpoint did not answer in time."
        )
        self.assertGreaterEqual(outcome.duration, 400)
        self.assertFalse(self.api.requests)

    def test_threads_fetch_one_token_together(self):
        asked, go_on = threading.Event(), threading.Event()
        server = self.sink(token())
        endpoint = self.endpoint(server.url)
        connections = open_connections(True, True)
        urlopen = type(connections).urlopen

        def slow(pool, method, url, **options):
            if url == server.url:
                asked.set()
                go_on.wait(5)
            return urlopen(pool, method, url, **options)

        outcomes = []
        threads = [
            threading.Thread(target=lambda: outcomes.append(self.post(endpoint)), daemon=True)
            for _number in range(4)
        ]
        with patch.object(type(connections), "urlopen", slow):
            for thread in threads:
                thread.start()
            self.assertTrue(asked.wait(5))
            hurried = self.post(dataclasses.replace(endpoint, timeout=0.05))
            go_on.set()
            for thread in threads:
                thread.join(10)
        self.assertEqual(hurried.error, "The token endpoint did not answer in time.")
        self.assertEqual([outcome.delivered for outcome in outcomes], [True] * 4)
        self.assertEqual(len(server.requests), 1)

    def test_no_secret_is_shown_whatever_the_endpoint_answers(self):
        self.api = self.sink((400, {}, b"token-1 and s:cret/+ are wrong"))
        outcome = self.post(self.endpoint(self.sink(token()).url))
        self.assertEqual(outcome.response, "*** and *** are wrong")
        self.assertNotIn("token-1", outcome.error)


@tagged("post_install", "-at_install")
class TestOAuthSubscriber(DeliveryCase):
    def test_events_are_pushed_with_a_token(self):
        server = Sink(token())
        self.addCleanup(server.close)
        sink, subscriber = self.sink(
            auth_type="oauth2",
            oauth_token_url=server.url,
            oauth_client_id="odoo",
            oauth_client_secret="abc",
            oauth_client_auth="body",
            oauth_scope="events",
        )
        self.partners(2)
        self.deliver()
        self.assertEqual(len(sink.events), 2)
        [(headers, _body)] = sink.requests
        self.assertEqual(headers["Authorization"], "Bearer token-1")
        self.assertIn("webhook-signature", headers)
        self.assertIn(b"client_secret=abc&", server.requests[0][1] + b"&")
        with patch.object(self.env.cr, "commit", self.env.cr.flush):
            self.assertEqual(subscriber.action_test()["params"]["type"], "success")
        self.assertEqual(len(server.requests), 1)

    def test_a_token_endpoint_that_is_away_pauses(self):
        server = Sink((503, {"Retry-After": "600"}, b""))
        self.addCleanup(server.close)
        sink, subscriber = self.sink(
            auth_type="oauth2",
            oauth_token_url=server.url,
            oauth_client_id="odoo",
            oauth_client_secret="abc",
        )
        [partner] = self.partners(1)
        self.deliver()
        self.assertFalse(sink.requests)
        delivery = self.delivery_of(partner)
        self.assertEqual(delivery.attempts, 0)
        self.assertEqual(delivery.last_error, "The token endpoint answered HTTP 503")
        self.assertEqual(subscriber.consecutive_failures, 1)
        self.make_due()
        self.deliver()
        self.assertEqual(delivery.state, "pending")  # an empty answer holds no token

    def test_settings(self):
        complete = {
            "name": "Sink",
            "url": "https://example.com/hook",
            "auth_type": "oauth2",
            "oauth_token_url": _TOKEN_URL,
            "oauth_client_id": "odoo",
            "oauth_client_secret": "abc",
        }
        subscribers = self.env["webhook.subscriber"]
        for wrong in (
            *({"oauth_token_url": False}, {"oauth_client_id": ""}, {"oauth_client_secret": False}),
            *({"oauth_token_url": "http://login.example.com/"}, {"oauth_token_url": "login"}),
            *({"oauth_token_url": "https://u:p@login.example.com/"}, {"oauth_client_id": "ö"}),
            {"oauth_client_auth": False},
        ):
            with self.subTest(**wrong), self.assertRaises(ValidationError):
                subscribers.create({**complete, **wrong})
        private = {"oauth_token_url": "http://login.lan/", "allow_private_network": True}
        subscriber = subscribers.create({**complete, **private})
        with self.assertRaises(ValidationError):
            subscriber.allow_private_network = False
        copy = subscriber.copy()
        self.assertEqual((copy.auth_type, copy.oauth_client_secret), ("signature", False))

    def test_without_it_nothing_is_read(self):
        _sink, subscriber = self.sink(oauth_client_secret="abc")
        self.assertIsNone(subscriber._endpoint().oauth)
