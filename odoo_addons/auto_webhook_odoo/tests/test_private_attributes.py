"""The libraries and Odoo still have the private names that the addon uses.

Each test says which part uses them. If one fails after an update, look there.
"""

import http.client
import os
import socket
import types
from urllib.parse import urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from odoo import fields
from odoo.modules.module import get_module_path
from odoo.service import server
from odoo.tests import BaseCase, TransactionCase

from .sink import Sink

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_POOLS = (HTTPConnectionPool, HTTPSConnectionPool)


class _AskedError(Exception):
    """A method was called that the addon overrides."""


def _asked(*_args, **_options):
    raise _AskedError


class TestPrivateNamesOfUrllib3(BaseCase):
    """``delivery/connections.py`` puts methods of its own in the place of these names."""

    def request(self, pool_class=HTTPConnectionPool, **overridden):
        """Send a request through a connection class that overrides these names."""
        sink = Sink()
        self.addCleanup(sink.close)
        port = urlsplit(sink.url).port
        connection_class = type("Connection", (pool_class.ConnectionCls,), overridden)
        pool = type("Pool", (pool_class,), {"ConnectionCls": connection_class})
        with pool("127.0.0.1", port, timeout=5, retries=False) as connections:
            return connections.urlopen("POST", "/", body=b"{}", timeout=urllib3.Timeout(total=7))

    def test_a_pool_manager_makes_the_pool_of_an_endpoint_by_new_pool(self):
        manager = type("Manager", (urllib3.PoolManager,), {"_new_pool": _asked})()
        for scheme in ("http", "https"):
            with self.subTest(scheme=scheme), self.assertRaises(_AskedError):
                manager.urlopen("GET", f"{scheme}://localhost:9/", retries=False)

    def test_a_pool_takes_connections_by_get_conn(self):
        for pool_class in _POOLS:
            taken = {"_get_conn": _asked, "_put_conn": lambda *_args: None}
            pool = type("Pool", (pool_class,), taken)("127.0.0.1", 9)
            with self.subTest(pool_class.__name__), self.assertRaises(_AskedError):
                pool.urlopen("POST", "/", retries=False)

    def test_a_connection_has_the_port_of_its_scheme_as_default_port(self):
        ports = [pool_class.ConnectionCls.default_port for pool_class in _POOLS]
        self.assertEqual(ports, [80, 443])

    def test_a_connection_is_opened_by_new_conn(self):
        for pool_class in _POOLS:
            with self.subTest(pool_class.__name__), self.assertRaises(_AskedError):
                self.request(pool_class, _new_conn=_asked)

    def test_the_name_to_look_up_is_dns_host(self):
        for pool_class in _POOLS:
            connection = pool_class.ConnectionCls("endpoint.example", 9)
            self.assertEqual((connection._dns_host, connection.port), ("endpoint.example", 9))

    def test_headers_and_body_go_through_send(self):
        with self.assertRaises(_AskedError):
            self.request(send=_asked)

    def test_the_answer_is_read_by_response_class(self):
        with self.assertRaises(_AskedError):
            self.request(response_class=_asked)

    def test_the_pool_asks_the_connection_for_the_answer_by_getresponse(self):
        with self.assertRaises(_AskedError):
            self.request(getresponse=_asked)

    def test_the_pool_sets_the_time_that_is_left_as_timeout(self):
        times = []

        def getresponse(connection):
            times.append(connection.sock.gettimeout())
            raise _AskedError

        timeout = property(lambda _connection: 5, lambda _, time: times.append(time))
        with self.assertRaises(_AskedError):
            self.request(timeout=timeout, getresponse=getresponse)
        self.assertIn(7, times)  # to connect
        # To read, urllib3 2 sets it at the connection, and urllib3 1.26 at the socket.
        self.assertTrue(any(6 < time < 7 for time in times), times)

    def test_an_open_connection_keeps_its_socket_as_sock(self):
        kept = []

        def getresponse(connection):
            kept.append(connection.sock)
            raise _AskedError

        with self.assertRaises(_AskedError):
            self.request(getresponse=getresponse)
        self.assertIsInstance(kept[0], socket.socket)


class TestPrivateNamesOfPython(BaseCase):
    """``delivery/answers.py`` gives a response something that has only ``makefile``."""

    def test_a_response_of_http_client_uses_only_makefile_of_its_socket(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(_ANSWER)
            with ours.makefile("rb") as file:
                only_makefile = types.SimpleNamespace(makefile=lambda _mode: file)
                response = http.client.HTTPResponse(only_makefile, method="POST")
                response.begin()
                self.assertEqual(response.read(), b"ok")

    def test_a_response_of_http_client_reads_its_first_line_by_read_status(self):
        ours, theirs = socket.socketpair()
        response_class = type("Response", (http.client.HTTPResponse,), {"_read_status": _asked})
        with ours, theirs, self.assertRaises(_AskedError):
            response_class(ours).begin()


class TestPrivateNamesOfOdoo(TransactionCase):
    #: What the addon overrides or calls, by model. The ORM's are in ``base``.
    NAMES = {
        "base": (
            *("_create", "_write_multi", "_compute_field_value", "_update_field_translations"),
            *("_search", "_field_to_sql", "_table_sql", "_rec_name", "_ids"),
            *("_abstract", "_transient", "_auto"),
        ),
        "ir.http": ("_authenticate", "_post_dispatch", "_handle_error"),
        "ir.cron": ("_trigger", "_commit_progress"),
        "ir.default": ("_get_model_defaults",),
        "ir.model": ("_get_id",),
        "ir.rule": ("_eval_context",),
        "ir.model.data": ("_xmlid_to_res_id",),
        "ir.actions.act_window": ("_for_xml_id",),
        "res.company": ("_get_main_company",),
        "res.users": ("_get_invalidation_fields", "_get_company_ids"),
        "res.users.apikeys": ("_check_credentials", "_generate"),
    }

    def test_the_models_have_the_names_that_the_addon_overrides_or_calls(self):
        for model, names in self.NAMES.items():
            odoo = [
                cls
                for cls in type(self.env[model]).__mro__
                if not cls.__module__.startswith("odoo.addons.auto_webhook_odoo")
            ]
            for name in names:
                with self.subTest(model=model, name=name):
                    self.assertTrue(any(name in vars(cls) for cls in odoo))

    def test_fields_make_conditions_with_the_methods_that_an_array_overrides(self):
        """``postgres/arrays.py``"""
        for name in ("_condition_to_sql", "filter_function", "convert_to_cache"):
            with self.subTest(name=name):
                self.assertTrue(callable(getattr(fields.Json, name)))

    def test_a_field_describes_itself_with_description_string(self):
        """``models/webhook_subscriber.py`` and ``…_credentials.py`` name fields in messages."""
        field = self.env["res.partner"]._fields["name"]
        self.assertEqual(field._description_string(self.env), "Name")

    def test_numbered_documents_name_their_field_in_sequence_field(self):
        """``capture/tracking.py`` reads it from models with ``sequence.mixin`` of ``account``."""
        folder = get_module_path("account", display_warning=False)
        if not folder:
            self.skipTest("this Odoo comes without the addon account")
        with open(f"{folder}/models/sequence_mixin.py", encoding="utf-8") as file:
            self.assertIn("_sequence_field = ", file.read())

    def test_the_prefork_master_keeps_its_process_as_pid(self):
        """``delivery/sender.py`` starts no thread in that process."""
        self.assertTrue(hasattr(server, "server"))
        self.assertEqual(server.PreforkServer(None).pid, os.getpid())
