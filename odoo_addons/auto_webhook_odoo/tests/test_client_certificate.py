import os
import pathlib
import ssl
import tempfile
from unittest.mock import patch

from odoo.exceptions import ValidationError
from odoo.tests import BaseCase, tagged

from ..delivery import client_certificate as module
from ..delivery.tls import failed_handshake
from .certificates import encrypted, issue
from .servers import ANSWER, ServerCase
from .test_subscriber import SubscriberCase
from .test_transport import endpoint, send

_VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@tagged("post_install", "-at_install")
class TestHandshake(ServerCase):
    def setUp(self):
        super().setUp()
        self.server = issue("localhost")
        self.authority = issue("authority.example")
        self.client = issue("odoo.example", self.authority)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        bundle = pathlib.Path(directory.name, "bundle.pem")
        bundle.write_text(self.server.certificate)
        environment = patch.dict(os.environ, REQUESTS_CA_BUNDLE=str(bundle))
        self.startPatcher(environment)

    def outcomes(self, client=None, times=1):
        """Yield the outcome at a server of each version of TLS that asks for a certificate."""
        for version in _VERSIONS:
            with self.subTest(version=version.name):
                url = self.tls_server(self.server, self.authority, version)
                secrets = {}
                if client:
                    secrets = {"client_certificate": client.certificate, "client_key": client.key}
                for _time in range(times):
                    yield version, send(endpoint(url, **secrets), b"x" * 100_000)

    def test_a_certificate_opens_the_endpoint(self):
        for _version, outcome in self.outcomes(self.client):
            self.assertTrue(outcome.delivered, outcome.error)

    def test_without_one_the_endpoint_is_said_to_ask_for_it(self):
        # the alert of TLS 1.3 races with the request, so try often
        for version, outcome in self.outcomes(times=20):
            # OpenSSL's alert of TLS 1.2 says no more than that the handshake failed
            end = ", or has no version" if version == ssl.TLSVersion.TLSv1_2 else ". Enter one"
            self.assertIn(f"The endpoint asks for a client certificate{end}", outcome.error)

    def test_one_of_another_authority_is_said_to_be_refused(self):
        for _version, outcome in self.outcomes(issue("odoo.example", issue("other.example"))):
            text = "The endpoint does not accept the client certificate (unknown ca)."
            self.assertEqual(outcome.error, text)

    def test_one_that_has_expired_is_named(self):
        for _version, outcome in self.outcomes(issue("odoo.example", self.authority, (-3, -1))):
            self.assertIn("The client certificate has expired. Enter a new one", outcome.error)

    def test_no_endpoint_gets_it_that_does_not_ask(self):
        url = self.tls_server(self.server)
        client = {"client_certificate": self.client.certificate, "client_key": self.client.key}
        self.assertTrue(send(endpoint(url, **client)).delivered)
        url, _clients = self.server_of(ANSWER)
        client["client_key"] = "not even read for http"
        self.assertTrue(send(endpoint(url, **client)).delivered)

    def test_one_that_openssl_refuses_is_named_without_the_key(self):
        url = self.tls_server(self.server, self.authority)
        client = {"client_certificate": self.client.certificate, "client_key": "secret-key"}
        outcome = send(endpoint(url, **client))
        self.assertRegex(outcome.error, "^The client certificate cannot be used: OpenSSL refuses")
        self.assertNotIn("secret-key", outcome.error)


@tagged("post_install", "-at_install")
class TestAlerts(BaseCase):
    """What an endpoint's alert means depends on the certificate that it was shown."""

    def test_words(self):
        valid = issue("odoo.example").certificate
        expired = issue("odoo.example", days=(-3, -1)).certificate
        asks, refuses = "asks for a client certificate", "does not accept the client certificate"
        for alert, shown, text in (
            ("tlsv13 alert certificate required", "", asks),
            ("sslv3 alert bad certificate", "", asks),  # Go and Java, with TLS 1.2
            ("sslv3 alert handshake failure", "", f"{asks}, or has no version"),
            ("ssl/tls alert handshake failure", "", f"{asks}, or has no version"),  # OpenSSL 3.4
            ("sslv3 alert handshake failure", valid, f"{refuses}, or has no version"),
            ("sslv3 alert handshake failure", expired, "has expired"),
            ("sslv3 alert certificate expired", expired, "has expired"),
            ("tlsv1 alert unknown ca", valid, f"{refuses} (unknown ca)."),
            ("sslv3 alert certificate revoked", valid, f"{refuses} (certificate revoked)."),
            ("tlsv1 alert protocol version", valid, "does not speak TLS"),
            ("wrong version number", "", "does not speak TLS"),
        ):
            with self.subTest(alert=alert, shown=shown[:1]):
                error = ssl.SSLError(1, f"[SSL: SOME_NAME] {alert} (_ssl.c:1006)")
                self.assertIn(text, failed_handshake(error, shown))


@tagged("post_install", "-at_install")
class TestFile(ServerCase):
    """OpenSSL reads the key from a file."""

    def paths(self):
        client = issue("odoo.example")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        seen = []

        def load(path, password):
            self.assertEqual(password, "")  # otherwise OpenSSL waits for somebody to type it
            seen.append((str(path), os.stat(path).st_mode & 0o077, pathlib.Path(path).read_text()))
            seen.append(path)

        with patch.object(ssl.SSLContext, "load_cert_chain", side_effect=load):
            module.load_client_certificate(context, client.certificate, client.key)
        (name, mode, text), path = seen
        self.assertEqual(text, f"{client.key}\n{client.certificate}")
        return name, mode, path

    def test_the_key_stays_in_memory(self):
        if not hasattr(os, "memfd_create"):
            self.skipTest("only Linux has files in memory")
        with patch("tempfile.TemporaryDirectory", side_effect=AssertionError):
            name, _mode, path = self.paths()
        self.assertTrue(name.startswith("/proc/self/fd/"))
        self.assertFalse(os.path.exists(path))

    def test_elsewhere_it_is_in_a_private_folder_that_is_removed(self):
        folders = []
        made = tempfile.mkdtemp

        def mkdtemp(*args, **options):
            folders.append(made(*args, **options))
            folders.append(os.stat(folders[0]).st_mode & 0o077)
            return folders[0]

        with (
            patch.object(os, "memfd_create", side_effect=OSError, create=True),
            patch("tempfile.mkdtemp", mkdtemp),
        ):
            name, _mode, path = self.paths()
        folder, others = folders
        self.assertEqual((os.path.dirname(name), others), (folder, 0))
        self.assertFalse(os.path.exists(path) or os.path.exists(folder))


@tagged("post_install", "-at_install")
class TestSubscriberCertificate(SubscriberCase):
    def refusal(self, certificate, key):
        with self.assertRaises(ValidationError) as raised:
            self.subscriber(client_certificate=certificate, client_key=key)
        return str(raised.exception)

    def test_what_no_endpoint_could_accept_is_refused_without_the_key(self):
        authority = issue("authority.example")
        client = issue("odoo.example", authority)
        old = issue("odoo.example", authority, (-3, -1))
        soon = issue("odoo.example", authority, (1, 3))
        chain = authority.certificate + client.certificate
        for certificate, key, reason in (
            (client.certificate, False, "belong together"),
            (False, client.key, "belong together"),
            ("abc", client.key, "must be PEM"),
            (client.certificate.replace("M", "N"), client.key, "must be PEM"),
            (client.certificate, "abc", "private key must be PEM"),
            (client.certificate, client.certificate, "private key must be PEM"),
            (client.certificate + client.key, client.key, "belongs into the other field"),
            (client.certificate, encrypted(client, "abc"), "is encrypted"),
            (client.certificate, old.key, "belongs to another certificate"),
            (chain, client.key, "must be the first one"),
            (old.certificate, old.key, r"expired on \d{4}-\d\d-\d\d"),
            (soon.certificate, soon.key, r"not valid before \d{4}-\d\d-\d\d"),
        ):
            with self.subTest(reason=reason), self.assertNoLogs("odoo"):
                text = self.refusal(certificate, key)
                self.assertRegex(text, reason)
                for line in (key or "").splitlines()[1:-1]:
                    self.assertNotIn(line, text)

    def test_the_certificate_gets_to_the_connections(self):
        authority = issue("authority.example")
        client = issue("odoo.example", authority)
        chain = f"Bag Attributes\n{client.certificate}\n{authority.certificate}"
        subscriber = self.subscriber(client_certificate=chain, client_key=client.key)
        without = self.subscriber()._endpoint()
        way = subscriber._endpoint().way
        self.assertEqual(way[2:4], (chain, client.key))
        self.assertNotEqual(way, without.way)
        self.assertEqual(without.way[2:4], ("", ""))

    def test_a_copy_has_none(self):
        client = issue("odoo.example")
        subscriber = self.subscriber(client_certificate=client.certificate, client_key=client.key)
        copy = subscriber.copy()
        self.assertFalse(copy.client_certificate or copy.client_key)
