import contextlib
import dataclasses
import gzip
import os
import pathlib
import socket
import tempfile
import threading
import time
import urllib.parse
import warnings
from unittest.mock import patch

from odoo.tests import tagged

from ..delivery.connections import open_connections
from ..delivery.endpoint import Endpoint
from ..delivery.transport import MAX_RETRY_AFTER, longest_attempt, post
from .certificates import issue
from .servers import ANSWER, ServerCase
from .sink import Sink


def endpoint(url, **values):
    defaults = {
        "auth_type": "none",
        "auth_token": "",
        "api_key_header": "",
        "signing_secrets": (),
        "timeout": 1,
        "batch_size": 1,
        "verify_ssl": True,
        "allow_private_network": True,
    }
    return Endpoint(url=url, **(defaults | values))


def send(target, body=b"{}"):
    connections = open_connections(*target.way)
    return post(connections, target, "msg_1", body)


@tagged("post_install", "-at_install")
class TestTransport(ServerCase):
    def sink(self, *answers):
        sink = Sink(*answers)
        self.addCleanup(sink.close)
        return sink

    def test_the_address_that_is_connected_to_is_checked_before_anything_is_sent(self):
        sink = self.sink()
        for host in ("127.0.0.1", "localhost"):
            with self.subTest(host=host):
                url = sink.url.replace("127.0.0.1", host)
                outcome = send(endpoint(url, allow_private_network=False))
                self.assertIn("private network", outcome.error)
                self.assertTrue(outcome.unsent)
        self.assertFalse(sink.requests)

    def test_a_refused_address_is_not_even_connected_to(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            self.assertIn("private", send(endpoint(url, allow_private_network=False)).error)
            listener.settimeout(0.1)
            with self.assertRaises(TimeoutError):
                listener.accept()

    def test_the_addresses_of_a_name_share_the_time(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        waiting = socket.create_connection(full.getsockname())  # nothing more is accepted
        self.addCleanup(waiting.close)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())] * 8
        started = time.monotonic()
        with patch("socket.getaddrinfo", return_value=found):
            outcome = send(endpoint("http://many.example.com/", timeout=2))
        self.assertLess(time.monotonic() - started, 4)
        self.assertEqual(outcome.error, "The endpoint did not accept the connection in time.")
        self.assertFalse(outcome.timed_out)

    def post_often(self, url, times=3):
        target = endpoint(url)
        connections = open_connections(allow_private=True, verify_ssl=True)
        return [post(connections, target, "msg_1", b"{}") for _time in range(times)]

    def test_connections_are_kept(self):
        url, clients = self.server_of(ANSWER)
        outcomes = self.post_often(url)
        self.assertEqual([outcome.status for outcome in outcomes], [200, 200, 200])
        self.assertEqual(len(clients), 1)

    def test_a_connection_with_unread_bytes_is_not_used_again(self):
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        plain = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
        for form, length, connections in (
            (plain, 2048, 1),
            (plain, 2049, 3),
            (plain, 50_000, 3),
            (chunked, 2047, 1),
            (chunked, 2048, 3),  # the end is not read
        ):
            with self.subTest(form=form, length=length):
                url, clients = self.server_of(form % (length, b"x" * length))
                outcomes = self.post_often(url)
                self.assertEqual([outcome.status for outcome in outcomes], [200, 200, 200])
                self.assertEqual(len(outcomes[0].response), min(length, 2048))
                self.assertEqual(len(clients), connections)

    def dying_server(self, last_words, reset=False):
        """Return the URL of a server whose first connection dies at its second use.

        Return with it the list of its requests: for each, whether it came on the first connection.
        """
        requests = []

        def talk(connection):
            with contextlib.suppress(OSError), connection:
                first = not requests
                while connection.recv(65536):
                    requests.append(first)
                    if not first or len(requests) == 1:
                        connection.sendall(ANSWER)
                        continue
                    connection.sendall(last_words)
                    if reset:
                        linger = b"\1\0\0\0\0\0\0\0"
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return

        return self.raw_server(talk), requests

    def test_a_kept_connection_that_turns_out_dead_says_nothing_about_the_endpoint(self):
        for reset in (False, True):
            with self.subTest(reset=reset):
                url, requests = self.dying_server(b"", reset)
                outcomes = self.post_often(url, 2)
                self.assertTrue(outcomes[1].delivered, outcomes[1].error)
                self.assertEqual(requests, [True, True, False])

    def test_an_answer_that_breaks_off_is_not_asked_for_again(self):
        url, requests = self.dying_server(b"HTTP/1.1 2")
        outcome = self.post_often(url, 2)[1]
        self.assertEqual(outcome.error, "The endpoint's answer is not HTTP/1.1, or breaks off.")
        self.assertEqual(requests, [True, True])

    def test_a_connection_that_dies_at_once_is_not_opened_again(self):
        requests = []

        def talk(connection):
            with connection:
                requests.append(connection.recv(65536))

        outcome = send(endpoint(self.raw_server(talk)))
        self.assertEqual(outcome.error, "The endpoint dropped the connection.")
        self.assertEqual(len(requests), 1)

    def test_each_request_on_a_kept_connection_has_all_its_time(self):
        def talk(connection):
            with contextlib.suppress(OSError):
                connection.recv(65536)
                time.sleep(1.6)
                connection.sendall(ANSWER)
                time.sleep(0.8)  # the next request fills the buffers meanwhile
                left = 20_000_000
                while left > 0:
                    left -= len(connection.recv(1_000_000))
                connection.sendall(ANSWER)

        target = endpoint(self.raw_server(talk), timeout=2)
        connections = open_connections(allow_private=True, verify_ssl=True)
        outcomes = [post(connections, target, "msg_1", body) for body in (b"{}", b"x" * 20_000_000)]
        self.assertEqual([outcome.error for outcome in outcomes], [None, None])

    def test_headers_and_body_are_one_packet_that_asks_for_no_compression(self):
        received = []

        def talk(connection):
            received.append(connection.recv(65536))
            connection.sendall(ANSWER)

        self.assertTrue(send(endpoint(self.raw_server(talk))).delivered)
        self.assertTrue(received[0].endswith(b"\r\n\r\n{}"))
        self.assertNotIn(b"accept-encoding", received[0].lower())

    def test_a_compressed_answer_is_not_unpacked(self):
        bomb = gzip.compress(gzip.compress(bytes(1_000_000)))
        for encoding in ("gzip", "gzip, gzip", "gzip," * 1000 + "br"):
            with self.subTest(encoding=encoding):
                sink = self.sink((400, {"Content-Encoding": encoding}, bomb))
                with patch("zlib.decompressobj", side_effect=AssertionError):
                    outcome = send(endpoint(sink.url))
                self.assertEqual(outcome.status, 400)
                self.assertEqual(outcome.response, "(The answer is compressed and not shown.)")
        sink = self.sink((400, {"Content-Encoding": "identity"}, b"plain"))
        self.assertEqual(send(endpoint(sink.url)).response, "plain")

    def test_an_endpoint_that_does_not_read_ends_with_the_timeout(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        started = time.monotonic()
        target = endpoint(self.raw_server(lambda connection: stop.wait(10)))
        outcome = send(target, b"x" * 50_000_000)
        self.assertLess(time.monotonic() - started, longest_attempt(1))
        self.assertTrue(outcome.timed_out)
        self.assertEqual(outcome.error, "The endpoint did not answer in time.")

    def test_an_answer_that_trickles_in_ends_with_the_timeout(self):
        stop = threading.Event()
        self.addCleanup(stop.set)

        def talk(connection):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000:
                if stop.wait(0.1):
                    return
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return

        started = time.monotonic()
        outcome = send(endpoint(self.raw_server(talk), timeout=1))
        self.assertLess(time.monotonic() - started, 3)
        self.assertIn("in time", outcome.error)
        self.assertFalse(outcome.unsent)
        self.assertTrue(outcome.timed_out)

    def test_an_answer_without_end_is_cut_off(self):
        def talk(connection):
            connection.recv(65536)
            try:
                connection.sendall(b"HTTP/1.1 500 Oops\r\n\r\n")
                while True:
                    connection.sendall(b"x" * 65536)
            except OSError:
                return

        outcome = send(endpoint(self.raw_server(talk), timeout=5))
        self.assertEqual(outcome.status, 500)
        self.assertEqual(len(outcome.response), 2048)

    def test_the_status_counts_even_if_the_body_breaks_off(self):
        def talk(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            connection.close()

        self.assertTrue(send(endpoint(self.raw_server(talk))).delivered)

    def test_no_http_at_all(self):
        def talk(connection):
            connection.recv(65536)
            connection.sendall(b"220 mail.example.com ESMTP\r\n")
            connection.close()

        outcome = send(endpoint(self.raw_server(talk)))
        self.assertEqual(outcome.error, "The endpoint's answer is not HTTP/1.1, or breaks off.")
        self.assertFalse(outcome.unsent)

    def test_secrets_that_are_echoed_are_masked(self):
        secret = "whsec_" + "QUJD" * 8
        echo = f"bad key token-of-the-test and {secret} and dXNlcjpwYXNz".encode()
        sink = self.sink(*[(400, {}, echo)] * 2)
        outcome = send(
            endpoint(
                sink.url,
                auth_type="bearer",
                auth_token="token-of-the-test",
                signing_secrets=(secret,),
            )
        )
        self.assertEqual(outcome.status, 400, outcome.error)
        self.assertEqual(outcome.response, "bad key *** and *** and dXNlcjpwYXNz")
        self.assertNotIn("token-of-the-test", outcome.error)
        outcome = send(endpoint(sink.url, auth_type="basic", auth_token="user:pass"))
        self.assertNotIn("dXNlcjpwYXNz", outcome.response)

    def echo(self, text):
        """Return the URL of a server that answers with a text."""
        body = text.encode()
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body)
        return self.server_of(head + body)[0]

    def test_a_secret_is_masked_however_it_is_escaped(self):
        password = 'p/s+"s w<é'
        secret = "whsec_" + "ab+/" * 8
        target = endpoint(
            "", auth_type="basic", auth_token=f"user:{password}", signing_secrets=(secret,)
        )
        for echo in (
            *(password, "user:" + password, secret, secret.removeprefix("whsec_")),
            *(urllib.parse.quote(password), urllib.parse.quote_plus(password).lower()),
            *(r"p\/s+\"s w<\u00e9", r"p/s\u002B\u0022s w\u003Cé", "p/s+&quot;s w&lt;&#233;"),
            *(secret.replace("/", "\\/"), urllib.parse.quote(secret, safe="")),
        ):
            with self.subTest(echo=echo):
                target = dataclasses.replace(target, url=self.echo(f"<{echo}>"))
                self.assertEqual(send(target).response, "<***>")

    def test_no_part_of_a_secret_is_left_at_the_end_of_the_excerpt(self):
        secret = "token-of-the-test"
        for before in range(2048 - len(secret), 2050):
            with self.subTest(before=before):
                url = self.echo("x" * before + secret + "y" * 3000)
                target = endpoint(url, auth_type="bearer", auth_token=secret)
                self.assertEqual(send(target).response.strip("x"), "***" * (before < 2048))
        # masks make room, and what moves there may be cut off, too
        text = send(
            endpoint(self.echo(secret * 1000), auth_type="bearer", auth_token=secret)
        ).response
        self.assertEqual(text.strip("*"), "")

    def test_a_very_short_secret_is_masked_where_it_stands_alone(self):
        url = self.echo("cannot accept a as the token")
        target = endpoint(url, auth_type="bearer", auth_token="a")
        self.assertEqual(send(target).response, "cannot accept *** as the token")

    def test_retry_after(self):
        then = "Wed, 21 Oct 2015 07:28:00 GMT"
        for value, date, seconds in (
            ("120", None, 120),
            ("999999999999", None, MAX_RETRY_AFTER),
            ("Wed, 21 Oct 2015 07:30:00 GMT", then, 120),
            ("Wed, 21 Oct 2015 07:20:00 GMT", then, 0),
            ("Wed, 21 Oct 2065 07:20:00 GMT", then, MAX_RETRY_AFTER),
            ("Wed, 21 Oct 2065 07:20:00 GMT", "today", MAX_RETRY_AFTER),
            ("Wed, 21 Oct 2015 07:20:00 GMT", None, 0),
            ("Wed, 99 Oct 99999999 07:20:00 GMT", then, None),
            ("-5", then, None),
            ("soon", then, None),
            ("", then, None),
        ):
            with self.subTest(value=value, date=date):
                lines = [b"HTTP/1.1 503 Busy", b"Content-Length: 0", b"Retry-After: %b"]
                lines += [b"Date: " + date.encode()] if date else []
                url, _clients = self.server_of(b"\r\n".join([*lines, b"", b""]) % value.encode())
                self.assertEqual(send(endpoint(url)).retry_after, seconds)

    def test_certificates(self):
        issued = issue("localhost")
        url = self.tls_server(issued)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        certificate = pathlib.Path(folder.name, "localhost.pem")
        certificate.write_text(issued.certificate)
        untrusted = "The certificate of the endpoint could not be verified"
        variables = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        with patch.dict(os.environ):
            for variable in variables:
                os.environ.pop(variable, None)
            self.assertRegex(send(endpoint(url)).error, f"^{untrusted}: self.signed certificate.$")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of urllib3, about exactly this
                self.assertTrue(send(endpoint(url, verify_ssl=False)).delivered)
            for variable in variables:
                with self.subTest(variable=variable), patch.dict(os.environ):
                    os.environ[variable] = str(certificate)
                    self.assertTrue(send(endpoint(url)).delivered)
                    wrong_name = url.replace("localhost", "127.0.0.1")
                    mismatch = send(endpoint(wrong_name)).error
                    self.assertRegex(mismatch, f"^{untrusted}: .*127.0.0.1")
                    os.environ[variable] = "/nowhere"
                    self.assertIn("/nowhere", send(endpoint(url)).error)

    def test_tls_spoken_to_a_server_without(self):
        url, _clients = self.server_of(ANSWER)
        outcome = send(endpoint(url.replace("http:", "https:")))
        self.assertIn("does not speak TLS", outcome.error)

    def test_a_tls_handshake_that_takes_too_long(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        url = self.raw_server(lambda connection: stop.wait(10)).replace("http:", "https:")
        outcome = send(endpoint(url))
        self.assertEqual(outcome.error, "The endpoint did not accept the connection in time.")

    def test_a_name_that_does_not_exist(self):
        for error, text in (
            (socket.EAI_NONAME, "The name of the endpoint is unknown."),
            (socket.EAI_AGAIN, "No name server answers for the name of the endpoint."),
        ):
            with patch("socket.getaddrinfo", side_effect=socket.gaierror(error, "?")):
                self.assertEqual(send(endpoint("http://nowhere.invalid/")).error, text)
