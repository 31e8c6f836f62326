"""What the administrator can find out about pushes that were refused."""

import logging

import pytest
from bridgecore.api import create_app, refusals
from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.integration.api_calls import RECEIVE, TOKEN, samples_of
from tests.integration.parts import Parts
from tests.support import eventually

PERIOD = 0.05


@pytest.fixture
def parts(make_parts) -> Parts:
    return make_parts(max_body_bytes=10_000, max_queue_depth=1)


@pytest.fixture
def lines(caplog):
    """The lines about refused pushes."""
    caplog.set_level(logging.INFO, refusals.log.name)

    def lines() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.name == refusals.log.name]

    return lines


def counted(client: TestClient) -> dict[str, float]:
    return {
        sample.labels["code"]: sample.value
        for sample in samples_of(client)
        if sample.name == "bridgecore_refused_pushes_total"
    }


def test_the_reason_is_in_the_log_and_not_in_the_answer(client, lines):
    headers = {"webhook-id": "msg_1", "Authorization": "Bearer s3cret"}
    answer = client.post(RECEIVE, content=b"private", headers=headers)
    assert answer.status_code == 401
    assert "unknown" not in answer.text
    assert lines() == [
        "push refused status=401 code=not_authenticated client=testclient webhook_id=msg_1 "
        "reason=unknown token"
    ]


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (b'{"source": "x", "events": []}', "foreign_source", "These credentials may post"),
        (b"x" * 10_001, "body_too_large", "The body is larger than BRIDGECORE_MAX_BODY_BYTES"),
        (b'{"events": [1]}', "invalid_event", "events.0 must be a JSON object"),
        (b"{", "invalid_json", "The body is not valid JSON"),
    ],
)
def test_every_refusal_is_logged(client, lines, content, code, reason):
    client.post(RECEIVE, content=content, headers=TOKEN)
    (line,) = lines()
    assert f" code={code} " in line
    assert f" reason={reason}" in line


def test_a_full_queue_is_logged(parts, client, lines):
    parts.push(parts.event(1))
    client.post(RECEIVE, json={"events": [parts.wire(2)]}, headers=TOKEN)
    assert "status=429 code=queue_full" in lines()[0]


def test_what_is_the_receivers_own_fault_is_no_refusal(parts, client, lines):
    parts.messages.away = True
    client.post(RECEIVE, json={"events": [parts.wire(1)]}, headers=TOKEN)
    assert lines() == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (b"a\tb reason=fine", "a?b?reason?fine"),
        (b"\xe9\x85", "????"),
        (b"x" * 1000, "x" * 80),
        (b"", "-"),
    ],
)
def test_a_foreign_id_cannot_forge_a_line(client, lines, given, shown):
    client.post(RECEIVE, content=b"", headers={b"webhook-id": given})
    assert f" webhook_id={shown} reason=" in lines()[0]


def test_a_flood_has_two_lines_per_period_and_is_counted(parts, lines):
    parts.settings.sources[0].signing_secrets.append(SecretStr("whsec_" + "b3RoZXI" * 6))
    with TestClient(create_app(parts)) as client:
        before = counted(client)
        for number in range(50):
            # A timestamp of its own makes no reason of its own.
            headers = {"webhook-id": "a", "webhook-timestamp": f"{number}"}
            client.post(RECEIVE, headers={**headers, "webhook-signature": "v1,"})
        client.post(RECEIVE)
        assert counted(client) == before  # nothing is written for each of them
    first, other, left_out = lines()
    assert "reason=webhook-timestamp is " in first
    assert "reason=no credentials" in other
    assert left_out.startswith("more pushes refused left_out=49 reason=webhook-timestamp is … s")
    with TestClient(create_app(parts)) as client:
        after = counted(client)
    assert after.pop("not_authenticated") == before.pop("not_authenticated") + 51
    assert after == before


def test_each_period_has_its_lines(parts, lines, monkeypatch):
    monkeypatch.setattr(refusals, "PERIOD", PERIOD)
    with TestClient(create_app(parts)) as client:

        def pushed_until(number):
            client.post(RECEIVE)
            return sum("push refused" in line for line in lines()) >= number

        eventually(lambda: pushed_until(3))


def test_what_cannot_be_counted_now_is_counted_later(parts, monkeypatch):
    monkeypatch.setattr(refusals, "PERIOD", PERIOD)
    add, failed = parts.storage.figures.add_refusals, []

    def fail_once(codes):
        if not failed:
            failed.append(codes)
            raise refusals.RedisError
        add(codes)

    with TestClient(create_app(parts)) as client:
        before = counted(client)["not_authenticated"]
        monkeypatch.setattr(parts.storage.figures, "add_refusals", fail_once)
        client.post(RECEIVE)
        eventually(lambda: counted(client)["not_authenticated"] == before + 1)
    assert failed
