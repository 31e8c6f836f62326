"""URLs of Redis and of the broker, and what redis-py and Celery are told of them."""

import re
import ssl

import pytest
from bridgecore.config.broker import broker_settings
from bridgecore.config.redis_address import redis_address
from bridgecore.config.settings import Settings
from bridgecore.queue.celery_app import create_celery
from kombu import Connection
from redis import SSLConnection


def app(redis_url: str):
    return create_celery(Settings.model_validate({"redis_url": redis_url}))


def options_of(url: str) -> dict[str, object]:
    return redis_address(url).client().connection_pool.connection_kwargs


def test_certificates_are_checked_by_all_unless_the_url_says_otherwise():
    """Celery would trust anybody."""
    url = "rediss://:secret@redis.example:6380/2?ssl_ca_certs=/ca.pem"
    options = options_of(url)
    assert options["ssl_cert_reqs"] == "required"
    assert options["ssl_ca_certs"] == "/ca.pem"
    with app(url) as celery, celery.connection_for_write() as connection:
        assert connection.ssl["ssl_cert_reqs"] == ssl.CERT_REQUIRED
        assert connection.ssl["ssl_ca_certs"] == "/ca.pem"
        results = celery.backend.connparams
        assert results["connection_class"] is SSLConnection
        assert results["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    assert options_of("rediss://a?ssl_cert_reqs=none")["ssl_cert_reqs"] == "none"


def test_sentinels_with_and_without_tls():
    bare = "redis+sentinel://user:p%2Fw@a,b:1234,[::1]:5/events/2?sentinel_password=other"
    pool = redis_address(bare).client().connection_pool
    assert pool.service_name == "events"
    assert pool.connection_kwargs["password"] == "p/w"
    hosts = [s.connection_pool.connection_kwargs for s in pool.sentinel_manager.sentinels]
    assert [(host["host"], host["port"]) for host in hosts] == [
        ("a", 26379),
        ("b", 1234),
        ("::1", 5),
    ]
    assert {host["password"] for host in hosts} == {"other"}
    told = redis_address(bare).for_celery()
    assert told.url.split(";") == [
        f"sentinel://user:p%2Fw@{host}/2" for host in ("a:26379", "b:1234", "[::1]:5")
    ]
    assert told.options["master_name"] == "events"
    assert told.tls is None

    secure = bare.replace("redis+", "rediss+") + "&ssl_ca_certs=/ca.pem"
    pool = redis_address(secure).client().connection_pool
    assert issubclass(pool.connection_class, SSLConnection)
    told = redis_address(secure).for_celery()
    assert told.tls == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    assert told.options["sentinel_kwargs"]["ssl"]


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
    ("read", "url", "message"),
    [
        (redis_address, "localhost:6379", "must start with redis://"),
        (redis_address, "amqp://secret", "must start with redis://"),
        (redis_address, "redis://:se/cret@host:6379", "cannot be read; write / # ? @ in a pass"),
        (redis_address, "redis+sentinel://secret:26379", "name the master after the hosts"),
        (redis_address, "redis+sentinel://a,,b/m", "a host is missing"),
        (redis_address, "redis+sentinel://a:secret/m", "cannot be read"),
        (redis_address, "redis+sentinel://a/m/secret", "cannot be read"),
        (redis_address, "redis+sentinel://a/m?sentinel=secret", "the only options are"),
        (redis_address, "redis://a/0?secret=1", "takes no options"),
        (redis_address, "rediss://a/0?secret=1", "the only options are ssl_ca_certs"),
        (redis_address, "unix:///a?secret=1", "the only options are db"),
        (redis_address, "redis://:a?secret@b", "cannot be read"),
        (broker_settings, "secret", "or amqps://"),
        (broker_settings, "redis+sentinel://secret", "name the master after the hosts"),
        (broker_settings, "amqp://user:se/cret@host", "cannot be read"),
        (broker_settings, "amqp://", "cannot be read"),
        (broker_settings, "amqp://a;secret", "each node must start with amqp://"),
        (broker_settings, "amqps://a?secret=1", "the only options are ssl_ca_certs"),
        (broker_settings, "amqp://a?ssl_ca_certs=secret", "need amqps://"),
        (broker_settings, "amqp://a;amqps://b", "the same TLS options"),
    ],
)
def test_errors_say_what_to_write_and_show_no_password(read, url, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read(url)
    assert "secret" not in str(error.value)
    assert "cret" not in str(error.value)
