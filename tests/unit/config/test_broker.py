"""The URL of the broker becomes settings of Celery."""

import re
import ssl

import pytest
from bridgecore.config.broker import broker_settings
from kombu import Connection


def test_rabbitmq_gets_none_of_the_options_of_redis():
    settings = broker_settings("amqp://user:word@a/events;amqp://user:word@b:5673/events")
    assert settings["broker_use_ssl"] is None
    assert "global_keyprefix" not in settings["broker_transport_options"]
    assert settings["broker_transport_options"]["confirm_publish"]


def test_the_host_and_the_certificate_of_rabbitmq_are_checked():
    settings = broker_settings("amqps://user:word@rabbit.example/?ssl_ca_certs=/ca.pem")
    assert settings["broker_use_ssl"] == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": None,
        "ca_certs": "/ca.pem",
    }
    connection = Connection(settings["broker_url"], ssl=settings["broker_use_ssl"])
    assert connection.hostname == "rabbit.example"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("secret", "or amqps://"),
        ("redis+sentinel://secret", "name the master after the hosts"),
        ("amqp://user:se/cret@host", "cannot be read"),
        ("amqp://", "cannot be read"),
        ("amqp://a;secret", "each node must start with amqp://"),
        ("amqps://a?secret=1", "the only options are ssl_ca_certs"),
        ("amqp://a?ssl_ca_certs=secret", "need amqps://"),
        ("amqp://a;amqps://b", "the same TLS options"),
    ],
)
def test_errors_say_what_to_write_and_show_no_password(url, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        broker_settings(url)
    assert "secret" not in str(error.value)
    assert "cret" not in str(error.value)
