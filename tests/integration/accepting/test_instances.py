"""Two databases that claim one source are noticed, whatever way they take."""

import asyncio
import logging

import pytest
from bridgecore.accepting import instances
from bridgecore.api import app, create_app
from fastapi.testclient import TestClient
from redis.exceptions import ConnectionError as RedisAway

from tests.integration.api_calls import RECEIVE, TOKEN
from tests.support import eventually


@pytest.fixture
def lines(caplog):
    """Level and text of each line about instances."""
    caplog.set_level(logging.INFO, instances.log.name)

    def lines() -> list[tuple[str, str]]:
        return [
            (r.levelname, r.getMessage()) for r in caplog.records if r.name == instances.log.name
        ]

    return lines


def report(parts) -> None:
    asyncio.run(parts.instances.report())


def push(client, parts, instance, event_id=1):
    headers = {**TOKEN, **({instances.HEADER: instance} if instance is not None else {})}
    answer = client.post(RECEIVE, json={"events": [parts.wire(event_id)]}, headers=headers)
    assert answer.status_code == 200
    return answer


def test_a_copy_that_pushes_while_the_original_is_pulled(parts, client, lines):
    parts.odoo.instance = "original"
    parts.pulling.pull(parts.source)
    push(client, parts, "copy")
    report(parts)
    assert lines() == [("INFO", f"database moved source={parts.source} before=original now=copy")]
    parts.pulling.pull(parts.source)
    assert lines()[1:] == [
        (
            "WARNING",
            f"two databases claim one source source={parts.source} instance=original other=copy",
        )
    ]
    push(client, parts, "copy")
    report(parts)
    assert [level for level, _text in lines()[2:]] == ["INFO"]  # one warning an hour


def test_both_push(parts, client, lines):
    for instance in ("original", "copy", "original"):
        push(client, parts, instance)
        report(parts)
    assert [level for level, _text in lines()] == ["INFO", "WARNING"]


def test_a_push_with_the_known_instance_asks_redis_nothing_more(parts, client, monkeypatch):
    monkeypatch.setattr(
        parts.storage.instances, "note", lambda *_arguments: pytest.fail("asked Redis")
    )
    for event_id in range(1, 4):
        push(client, parts, "original", event_id)
    monkeypatch.undo()
    report(parts)
    assert parts.storage.instances.note(parts.source, "original").meaning == "same"


@pytest.mark.parametrize("instance", [None, "", "two words", "x" * 65, "a\tb"])
def test_what_is_no_instance_says_nothing(parts, client, lines, instance):
    push(client, parts, "original")
    push(client, parts, instance, 2)
    report(parts)
    parts.odoo.instance = instance
    parts.pulling.pull(parts.source)
    assert lines() == []
    assert parts.storage.instances.note(parts.source, "original").meaning == "same"


@pytest.mark.parametrize("instance", [7, ["a"], {"a": 1}, None])
def test_a_page_with_another_thing_as_instance_is_read(parts, instance):
    parts.odoo.instance = instance
    parts.odoo.events = [parts.wire(1)]
    assert parts.pulling.pull(parts.source) == 1


def test_a_refused_push_says_nothing(parts, client):
    headers = {"X-API-Key": "wrong", instances.HEADER: "stranger"}
    client.post(RECEIVE, json={"events": []}, headers=headers)
    client.post(
        RECEIVE, json={"source": "other", "events": []}, headers={**TOKEN, instances.HEADER: "x"}
    )
    report(parts)
    assert parts.storage.instances.note(parts.source, "original").meaning == "first"


def test_a_sender_of_many_instances_fills_no_memory(parts):
    for number in range(1000):
        parts.instances.hear(parts.source, f"i{number}")
    assert len(parts.instances._heard[parts.source]) <= 16


def test_redis_is_away_for_one_report(parts, client, lines, monkeypatch):
    push(client, parts, "original")
    report(parts)

    def away(*_arguments):
        raise RedisAway

    push(client, parts, "copy")
    monkeypatch.setattr(parts.storage.instances, "note", away)
    report(parts)
    monkeypatch.undo()
    report(parts)
    assert [text.split(" source=")[0] for _level, text in lines()] == ["database moved"]


def test_the_api_reports_by_itself(parts, lines, monkeypatch):
    monkeypatch.setattr(app, "_INSTANCES_INTERVAL", 0.01)
    with TestClient(create_app(parts)) as client:
        push(client, parts, "original")
        eventually(lambda: parts.storage.redis.exists(parts.key("instances")))
        push(client, parts, "copy")
    assert lines()[0][1].startswith("database moved")  # the last report comes with the end
