"""A real proxy for the tests, as small as one can be."""

import contextlib
import socket
import threading
import urllib.parse


class ProxyServer:
    """Connects clients with servers (CONNECT), and passes on requests with a whole URL.

    :param names: ``{host: address}``, which only this proxy knows
    :param refusal: bytes with which it answers every request, instead of doing anything
    """

    def __init__(self, names=(), refusal=None, silent=False):
        #: what it has been sent before a connection was made, or the whole request without CONNECT
        self.heads = []
        self._names = dict(names)
        self._refusal = refusal
        self._stop = threading.Event()
        self._silent = silent
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._stop.set()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with client, contextlib.suppress(OSError):
            head = client.recv(65536)
            self.heads.append(head)
            if self._silent:
                self._stop.wait(10)
            elif self._refusal is not None:
                client.sendall(self._refusal)
            else:
                self._connect(client, head)

    def _connect(self, client, head):
        method, target, _version = head.split(b"\r\n", 1)[0].decode().split(" ")
        parts = urllib.parse.urlsplit(f"//{target}" if method == "CONNECT" else target)
        address = self._names.get(parts.hostname, parts.hostname)
        with socket.create_connection((address, parts.port or 80)) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")
            else:
                server.sendall(head.replace(target.encode(), parts.path.encode() or b"/", 1))
            back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
            back.start()
            self._pass_on(client, server)
            back.join(5)

    @staticmethod
    def _pass_on(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
