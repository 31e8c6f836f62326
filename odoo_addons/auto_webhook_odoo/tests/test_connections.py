import os
import pathlib
import socket
import tempfile
from unittest.mock import patch

from odoo.tests import tagged

from ..delivery import connections as module
from ..delivery.connections import open_connections
from ..delivery.transport import post
from .certificates import issue
from .servers import ANSWER, ServerCase
from .test_transport import endpoint


@tagged("post_install", "-at_install")
class TestAge(ServerCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.met = []  # the address that was reached, for each connection

    def servers(self):
        """Start two servers on one port of two addresses, and return the port."""

        def talk(address):
            def answer(connection):
                self.met.append(address)
                while connection.recv(65536):
                    connection.sendall(ANSWER)

            return answer

        first, second = "127.0.0.1", "127.0.0.2"
        port = int(self.raw_server(talk(first), first).rstrip("/").rpartition(":")[2])
        self.raw_server(talk(second), second, port)
        return port

    def test_a_name_that_moves_is_noticed_under_constant_traffic(self):
        port = self.servers()
        addresses = {"moving.example": "127.0.0.1"}

        def look_up(host, asked_port, **_options):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses[host], asked_port))]

        target = endpoint(f"http://moving.example:{port}/", timeout=5)
        connections = open_connections(*target.way)
        with patch("socket.getaddrinfo", look_up), patch.object(module, "MAX_AGE", 0.3):
            for _time in range(3):
                self.assertTrue(post(connections, target, "msg_1", b"{}").delivered)
            addresses["moving.example"] = "127.0.0.2"
            for _time in range(1000):
                if self.met[-1] == "127.0.0.2":
                    break
                outcome = post(connections, target, "msg_1", b"{}")
                self.assertTrue(outcome.delivered, outcome.error)
        self.assertEqual(self.met[0], "127.0.0.1")
        self.assertEqual(self.met[-1], "127.0.0.2")
        self.assertLess(len(self.met), 20)  # connections are kept all the same

    def test_the_age_is_that_of_the_connection_and_not_of_its_last_use(self):
        port = self.servers()
        target = endpoint(f"http://127.0.0.1:{port}/", timeout=5)
        connections = open_connections(*target.way)
        clock = patch.object(module.time, "monotonic", lambda: self.now)
        with clock:
            for connections_so_far in (1, 1, 1, 2, 2):
                self.assertTrue(post(connections, target, "msg_1", b"{}").delivered)
                self.assertEqual(len(self.met), connections_so_far)
                self.now += module.MAX_AGE / 3 + 0.01


@tagged("post_install", "-at_install")
class TestTrust(ServerCase):
    def test_certificates_that_are_replaced_in_their_file_are_trusted(self):
        ours, other = issue("localhost"), issue("localhost")
        with tempfile.TemporaryDirectory() as directory:
            bundle = pathlib.Path(directory, "bundle.pem")
            bundle.write_text(other.certificate)
            url = self.tls_server(ours)
            target = endpoint(url)
            connections = open_connections(*target.way)
            with patch.dict(os.environ, REQUESTS_CA_BUNDLE=str(bundle)):
                error = post(connections, target, "msg_1", b"{}").error
                self.assertIn("could not be verified", error)
                bundle.write_text(ours.certificate)
                outcome = post(connections, target, "msg_1", b"{}")
                self.assertTrue(outcome.delivered, outcome.error)
