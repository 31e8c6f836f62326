import contextlib
import socket
import threading
import time

from odoo.tests import BaseCase, tagged

from ..delivery.connections import AddressRefusedError, check_address, open_connections
from ..delivery.transport import Endpoint, post
from .sink import Sink


def endpoint(url, **values):
    defaults = {
        "auth_type": "none",
        "auth_token": "",
        "api_key_header": "",
        "signing_secrets": (),
        "timeout": 1,
        "verify_ssl": True,
        "allow_private_network": True,
    }
    return Endpoint(url=url, **(defaults | values))


def send(target):
    connections = open_connections(target.allow_private_network, target.verify_ssl)
    return post(connections, target, "msg_1", b"{}")


@tagged("post_install", "-at_install")
class TestTransport(BaseCase):
    def sink(self, *answers):
        sink = Sink(*answers)
        self.addCleanup(sink.close)
        return sink

    def raw_server(self, talk):
        """Return the URL of a server that talks to each connection as ``talk`` does."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    def test_addresses_that_are_always_refused(self):
        for address in (
            *("169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"),
            *("::ffff:169.254.169.254", "100.100.100.200", "168.63.129.16", "0.0.0.0", "::"),  # noqa: S104
            *("224.0.0.1", "ff02::1"),
        ):
            with self.subTest(address=address), self.assertRaises(AddressRefusedError):
                check_address(address, allow_private=True)

    def test_private_networks_are_refused_unless_they_are_allowed(self):
        for address in (
            *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
            *("::1", "fd12::1", "::ffff:10.0.0.1"),
        ):
            with self.subTest(address=address):
                check_address(address, allow_private=True)
                with self.assertRaises(AddressRefusedError):
                    check_address(address, allow_private=False)

    def test_public_addresses_are_accepted(self):
        for address in ("93.184.216.34", "2606:2800:220:1::1"):
            check_address(address, allow_private=False)

    def test_the_address_that_is_connected_to_is_checked_before_anything_is_sent(self):
        sink = self.sink()
        for host in ("127.0.0.1", "localhost"):
            with self.subTest(host=host):
                url = sink.url.replace("127.0.0.1", host)
                outcome = send(endpoint(url, allow_private_network=False))
                self.assertIn("private network", outcome.error)
                self.assertTrue(outcome.endpoint_failed)
        self.assertFalse(sink.requests)

    def test_connections_are_kept(self):
        clients = set()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

        def talk(connection):
            clients.add(connection.getpeername())
            with contextlib.suppress(OSError):  # the client leaves
                while connection.recv(65536):
                    connection.sendall(answer)

        target = endpoint(self.raw_server(talk))
        connections = open_connections(allow_private=True, verify_ssl=True)
        outcomes = [post(connections, target, "msg_1", b"{}") for _time in range(3)]
        self.assertEqual([outcome.status for outcome in outcomes], [200, 200, 200])
        self.assertEqual(len(clients), 1)

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
        self.assertTrue(outcome.endpoint_failed)

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
        self.assertFalse(outcome.delivered)
        self.assertTrue(outcome.endpoint_failed)

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
        self.assertFalse(outcome.endpoint_failed, outcome.error)
        self.assertEqual(outcome.response, "bad key *** and *** and dXNlcjpwYXNz")
        self.assertNotIn("token-of-the-test", outcome.error)
        outcome = send(endpoint(sink.url, auth_type="basic", auth_token="user:pass"))
        self.assertNotIn("dXNlcjpwYXNz", outcome.response)
