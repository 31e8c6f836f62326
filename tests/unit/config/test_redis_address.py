"""The URL of Redis becomes options of redis-py and of Celery."""

import re
import ssl

import pytest
from bridgecore.config.redis_address import redis_address
from bridgecore.config.settings import Settings
from bridgecore.queue.celery_app import create_celery
from redis import SSLConnection


def app(redis_url: str):
    return create_celery(Settings.model_validate({"redis_url": redis_url}))


def options_of(url: str) -> dict[str, object]:
    return redis_address(url).client().connection_pool.connection_kwargs


def test_certificates_are_checked_unless_the_url_says_otherwise():
    """Without our setting Celery would trust any certificate."""
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


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:6379", "must start with redis://"),
        ("amqp://secret", "must start with redis://"),
        ("redis://:se/cret@host:6379", "cannot be read; write / # ? @ in a pass"),
        ("redis+sentinel://secret:26379", "name the master after the hosts"),
        ("redis+sentinel://a,,b/m", "a host is missing"),
        ("redis+sentinel://a:secret/m", "cannot be read"),
        ("redis+sentinel://a/m/secret", "cannot be read"),
        ("redis+sentinel://a/m?sentinel=secret", "the only options are"),
        ("redis://a/0?secret=1", "takes no options"),
        ("rediss://a/0?secret=1", "the only options are ssl_ca_certs"),
        ("unix:///a?secret=1", "the only options are db"),
        ("redis://:a?secret@b", "cannot be read"),
    ],
)
def test_errors_say_what_to_write_and_show_no_password(url, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        redis_address(url)
    assert "secret" not in str(error.value)
    assert "cret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://user:secret@redis.example/0", "redis.example:6379"),
        ("rediss://:secret@[::1]:6380", "[::1]:6380"),
        ("unix://:secret@/run/redis.sock", "/run/redis.sock"),
        ("redis+sentinel://:secret@a,b:1/events", "events of a:26379, b:1"),
    ],
)
def test_where_a_redis_is_without_its_password(url, where):
    assert redis_address(url).location == where
