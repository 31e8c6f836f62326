"""The forms of an event that the receiver accepts, and those that it refuses."""

import json

import pytest
from bridgecore.errors import BridgecoreError, InvalidEvent, InvalidJson
from bridgecore.events import MAX_DEPTH, exact_timestamp, parse_body, parse_event, parse_push

from tests.support import vectors

VECTORS = vectors("events")
SOURCE = VECTORS["source"]


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["name"])
def test_accepted_forms(vector):
    events = parse_push(json.dumps(vector["body"]).encode(), SOURCE)

    assert [event.source for event in events] == [SOURCE] * len(vector["events"])
    for event, expected in zip(events, vector["events"], strict=True):
        assert {name: getattr(event, name) for name in expected} == expected


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_refused_forms(vector):
    with pytest.raises(BridgecoreError) as refused:
        parse_push(json.dumps(vector["body"]).encode(), SOURCE)
    assert refused.value.code == vector["code"]
    assert vector.get("names", "") in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000, b"{'a': 1}"],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json(body):
    with pytest.raises(InvalidJson):
        parse_push(body, SOURCE)


def test_an_error_names_the_place_but_not_the_value():
    body = {"events": [VECTORS["accepted"][0]["body"], {"event_id": "secret"}]}
    with pytest.raises(BridgecoreError) as refused:
        parse_push(json.dumps(body).encode(), SOURCE)
    assert "events.1.event_id" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_values_that_json_cannot_hold_are_refused_before_they_are_changed():
    body = json.dumps(VECTORS["accepted"][0]["body"]).encode()
    with pytest.raises(InvalidJson):
        parse_push(body.replace(b'"SO001"', b"1e400"), SOURCE)


def test_integers_of_any_size_stay_exact():
    event = parse_event({**VECTORS["accepted"][0]["body"], "payload": {"a": 10**30}}, SOURCE)
    assert parse_body(event.body).payload == {"a": 10**30}


@pytest.mark.parametrize("model", ["", "a\n", "a b", "a:1", "a" * 129])
def test_names_that_no_model_has(model):
    with pytest.raises(InvalidEvent, match=r"^model: "):
        parse_event({**VECTORS["accepted"][0]["body"], "model": model}, SOURCE)


def test_many_brackets_are_not_deep():
    payload = {"a": [[] for _ in range(2 * MAX_DEPTH)], "b": "[" * 2 * MAX_DEPTH}
    assert parse_event({**VECTORS["accepted"][0]["body"], "payload": payload}, SOURCE)


@pytest.mark.parametrize("value", ["secret", "secret - at `$.event`", 5])
def test_a_choice_is_named_with_what_there_is_to_choose(value):
    with pytest.raises(InvalidEvent, match=r"^event: must be one of create, write, unlink$"):
        parse_event({**VECTORS["accepted"][0]["body"], "event": value}, SOURCE)


def nested(depth, wrap):
    value = wrap(None)
    for _ in range(depth - 1):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
@pytest.mark.parametrize("field", ["payload", "old_values"])
def test_values_may_be_nested_up_to_a_limit(field, wrap):
    body = VECTORS["accepted"][0]["body"]
    assert parse_event({**body, field: {"a": nested(MAX_DEPTH - 1, wrap)}}, SOURCE)
    for depth in (MAX_DEPTH, 100_000):
        with pytest.raises(InvalidEvent, match="nested more than 200 times"):
            parse_event({**body, field: {"a": nested(depth, wrap)}}, SOURCE)


def test_user_and_company_may_be_null_or_false():
    nobody = {"user_id": False, "user_name": False, "company_id": False}
    event = parse_event({**VECTORS["accepted"][0]["body"], **nobody}, SOURCE)
    assert (event.user_id, event.user_name, event.company_id) == (None, None, None)


@pytest.mark.parametrize("field", ["event", "user_name", "category"])
def test_an_error_does_not_contain_what_utf8_cannot_express(field):
    with pytest.raises(InvalidEvent, match=r"^(The event: contains characters|event: must be)"):
        parse_event({**VECTORS["accepted"][0]["body"], field: "\ud800"}, SOURCE)


def test_unknown_fields_are_ignored():
    assert parse_event({**VECTORS["accepted"][0]["body"], "other": "\ud800"}, SOURCE)


def test_an_event_of_the_feed_has_its_id_under_another_name():
    pushed = dict(VECTORS["accepted"][0]["body"])
    pulled = {**pushed, "id": pushed["event_id"]}
    del pulled["event_id"], pulled["source"]
    assert parse_event(pulled, SOURCE) == parse_event(pushed, SOURCE)


def test_the_idempotency_key_survives_storage():
    event = parse_event(VECTORS["accepted"][0]["body"], SOURCE)
    restored = parse_body(event.body)
    assert restored == event
    assert restored.idempotency_key == f"{SOURCE}/4711@2026-01-31T12:00:00.123456Z"


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.123456Z"),
        ("2026-01-31T12:00:00.1", "2026-01-31T12:00:00.100000Z"),
        ("2026-01-31 12:00:00", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31T01:00:00+02:00", "2026-01-30T23:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("2026-W05-6T12:00:00.123456Z", "2026-01-31T12:00:00.123456Z"),
    ],
)
def test_equal_moments_are_equal_texts(text, exact):
    assert exact_timestamp(text) == exact


@pytest.mark.parametrize("value", ["", "x", "2026-13-01", "0001-01-01T00:00:00+01:00", None, 1])
def test_what_is_no_timestamp(value):
    with pytest.raises(ValueError, match="must be"):
        exact_timestamp(value)


def test_a_record_that_is_gone_for_the_receiver_only_is_told_from_a_deleted_one():
    body = {**VECTORS["accepted"][0]["body"], "event": "unlink", "changed_fields": None}
    gone = {**body, "payload": {"_metadata": {"gone": True}}, "old_values": None}
    assert not parse_event(body, SOURCE).gone
    assert parse_body(parse_event(gone, SOURCE).body).gone
