"""Answers that are unusual, or none."""

import time

from odoo.tests import tagged

from ..delivery.connections import open_connections
from ..delivery.transport import post
from .servers import ANSWER, ServerCase
from .test_transport import endpoint, send

_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


@tagged("post_install", "-at_install")
class TestAnswers(ServerCase):
    def post_often(self, url, times=3):
        target = endpoint(url)
        connections = open_connections(*target.way)
        return [post(connections, target, "msg_1", b"{}") for _time in range(times)]

    def test_informational_answers_are_passed_over_and_the_connection_is_kept(self):
        for informational in (
            *(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n", _HINTS),
            *(b"HTTP/1.1 199 Soon\r\n\r\n", b"HTTP/1.1 102 \r\n\r\n" * 10 + _HINTS * 3),
        ):
            with self.subTest(informational=informational):
                url, clients = self.server_of(informational + ANSWER)
                outcomes = self.post_often(url)
                self.assertEqual([outcome.error for outcome in outcomes], [None] * 3)
                self.assertEqual([outcome.response for outcome in outcomes], ["ok"] * 3)
                self.assertEqual(len(clients), 1)

    def test_an_informational_answer_long_before_the_final_one(self):
        def talk(connection):
            connection.recv(65536)
            connection.sendall(_HINTS[:20])
            time.sleep(0.1)
            connection.sendall(_HINTS[20:])
            time.sleep(0.1)
            connection.sendall(ANSWER)

        self.assertTrue(send(endpoint(self.raw_server(talk))).delivered)

    def test_informational_answers_without_end(self):
        header = b"X-Long: " + b"x" * 60_000 + b"\r\n"
        for part in (
            *(b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Hints\r\n" + header * 2 + b"\r\n"),
            *(b"HTTP/1.1 103 Hints\r\n" + header + b"\r\n", b"HTTP/1.1 100 Go\r\n" + b"x" * 70_000),
        ):
            with self.subTest(part=part[:25]):
                url, _clients = self.server_of(part * 200)
                outcome = send(endpoint(url, timeout=20))
                text = "The endpoint sent informational answers (HTTP 1xx) and no final one."
                self.assertEqual(outcome.error, text)
                self.assertLess(outcome.duration, 10_000)

    def test_informational_answers_end_with_the_timeout(self):
        def talk(connection):
            connection.recv(65536)
            for _time in range(30):
                try:
                    connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
                except OSError:
                    return
                time.sleep(0.1)

        outcome = send(endpoint(self.raw_server(talk)))
        self.assertEqual(outcome.error, "The endpoint did not answer in time.")
        self.assertLess(outcome.duration, 2000)

    def test_a_connection_that_ends_after_an_informational_answer(self):
        def talk(connection):
            connection.recv(65536)
            connection.sendall(_HINTS)

        outcome = send(endpoint(self.raw_server(talk)))
        self.assertEqual(outcome.error, "The endpoint dropped the connection.")

    def test_another_protocol_is_a_failure_and_its_connection_is_not_kept(self):
        switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        url, clients = self.server_of(switch)
        outcomes = self.post_often(url, 2)
        for outcome in outcomes:
            self.assertEqual(outcome.status, 101)
            text = "HTTP 101: the endpoint wants to speak another protocol."
            self.assertEqual(outcome.error, text)
        self.assertEqual(len(clients), 2)

    def test_a_server_that_closes_an_idle_connection_with_408(self):
        """The request crosses the answer on its way, so another connection gets it."""
        requests = []

        def talk(connection):
            while data := connection.recv(65536):
                requests.append(data)
                if len(requests) == 2:
                    connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
                    return
                connection.sendall(ANSWER)

        outcomes = self.post_often(self.raw_server(talk), 2)
        self.assertEqual([outcome.error for outcome in outcomes], [None, None])
        self.assertEqual(len(requests), 3)

    def test_408_on_a_new_connection_is_an_answer(self):
        url, clients = self.server_of(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
        self.assertEqual(self.post_often(url, 1)[0].status, 408)
        self.assertEqual(len(clients), 1)

    def test_what_is_not_http_is_named(self):
        for answer in (
            *(
                b"\x15\x03\x03\x00\x02\x02\x28",
                b"HTTP/2.0 200 OK\r\n\r\n",
                b"HTTP/1.1 2x OK\r\n\r\n",
            ),
            *(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 200),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        ):

            def talk(connection, answer=answer):
                connection.recv(65536)
                connection.sendall(answer)

            with self.subTest(answer=answer[:40]):
                outcome = send(endpoint(self.raw_server(talk)))
                text = "The endpoint's answer is not HTTP/1.1, or breaks off."
                self.assertEqual(outcome.error, text)

    def test_a_header_that_cannot_be_parsed_puts_no_url_into_the_log(self):
        for header in (b"no colon", b"Content-Type: multipart/mixed", b": empty"):
            url, _clients = self.server_of(
                b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 0\r\n\r\n" % header
            )
            with self.subTest(header=header), self.assertNoLogs("urllib3"):
                self.assertTrue(send(endpoint(url + "secret-token")).delivered)
