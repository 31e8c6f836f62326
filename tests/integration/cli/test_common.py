"""What goes wrong in a command is a line that says what to do."""

from bridgecore.cli import main
from bridgecore.runtime import runtime
from click.testing import CliRunner
from redis.exceptions import ConnectionError as RedisAway

from devstack.process import free_port


def test_redis_that_is_away_is_a_line_and_no_traceback(parts, run, monkeypatch):
    def away(*_arguments):
        raise RedisAway

    monkeypatch.setattr(parts.storage.live, "newest", away)
    output = run("events", "tail", code=1)
    where = parts.settings.redis.location
    assert output.startswith(f"Error: Redis at {where} cannot be used (ConnectionError): check")
    assert "--data-dir" in output


def test_a_command_names_the_redis_that_it_cannot_use(start_redis, monkeypatch):
    port = free_port()
    start_redis(port)
    monkeypatch.setenv("BRIDGECORE_REDIS_URL", f"redis://:other@127.0.0.1:{port}/0")
    monkeypatch.setenv(
        "BRIDGECORE_SOURCES", '[{"id": "a", "url": "http://odoo", "feed_key": "key"}]'
    )
    runtime.cache_clear()
    said = CliRunner().invoke(main, ["dead-letters", "list"]).output
    runtime.cache_clear()
    assert f"Redis at 127.0.0.1:{port} cannot be used (wrong user or password)" in said
    assert "other" not in said
