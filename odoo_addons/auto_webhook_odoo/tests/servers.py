"""Servers that talk as a test wants, also in ways that no real one should."""

import contextlib
import pathlib
import socket
import ssl
import tempfile
import threading

from odoo.tests import BaseCase

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class ServerCase(BaseCase):
    def raw_server(self, talk, address="127.0.0.1", port=0):
        """Return the URL of a server that calls ``talk`` with each connection."""
        listener = socket.create_server((address, port))
        self.addCleanup(listener.close)

        def talk_and_close(connection):
            with connection:
                talk(connection)

        def serve():
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk_and_close, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return f"http://{address}:{listener.getsockname()[1]}/"

    def server_of(self, answer):
        """Return the URL of a server with one answer, and the set of connections it has had."""
        clients = set()

        def talk(connection):
            clients.add(connection.getpeername())
            with contextlib.suppress(OSError):  # the client leaves
                while connection.recv(65536):
                    connection.sendall(answer)

        return self.raw_server(talk), clients

    def tls_server(self, issued, clients=None, version=None):
        """Return the URL of a server with a certificate for localhost.

        :param issued: ``certificates.Issued``
        :param clients: the certificate whose clients it wants; None if it asks for none
        :param version: ``ssl.TLSVersion``, the only one it speaks
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "server.pem")
            file.write_text(issued.key + issued.certificate)
            context.load_cert_chain(file)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.certificate)
        if version:
            context.minimum_version = context.maximum_version = version

        def talk(connection):
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(connection, server_side=True) as tls,
            ):
                while tls.recv(65536):
                    tls.sendall(ANSWER)

        return self.raw_server(talk).replace("http://127.0.0.1", "https://localhost")
