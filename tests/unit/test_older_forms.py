"""Whatever an older sender pushes either arrives with every value, or is refused by name."""

import json
from typing import Any

import pytest
from bridgecore.errors import BridgecoreError, InvalidEvent
from bridgecore.events import Event, exact_timestamp, parse_push
from bridgecore.older_forms import present_form
from hypothesis import given
from hypothesis import strategies as st

METADATA = "_webhook_metadata"
SOURCE = "0c5d4f6a-0000-4000-8000-000000000001"
FACTS: dict[str, Any] = {
    "event_id": 456,
    "event": "write",
    "model": "sale.order",
    "record_id": 336,
    "timestamp": "2026-01-31T12:00:00.123456Z",
}
MORE_FACTS: dict[str, Any] = {"priority": "high", "category": "system", "changed_fields": ["name"]}

#: names that no form gives another meaning, and one that a batch has
PLAIN = st.sampled_from(
    ["name", "state", "id", "amount_total", "partner_id", "_metadata", "events"]
)
#: names that are facts or places in some form
TRICKY = PLAIN | st.sampled_from(
    [
        *FACTS,
        *MORE_FACTS,
        *("event_type", "source", "user_id", "user_name", "company_id", "old_values", "replayed"),
        *("data", "payload", METADATA),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 500) | st.sampled_from([1.0, "", "SO", SOURCE])
ANY = (
    LEAVES
    | st.lists(LEAVES, max_size=2)
    | st.dictionaries(PLAIN, LEAVES, max_size=2)
    | st.sampled_from([*FACTS.values(), *MORE_FACTS.values(), "unlink", 457])
)


def parse(body: Any) -> list[Event]:
    return parse_push(json.dumps(body).encode(), SOURCE)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, and 1.0 is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@st.composite
def wellformed(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A body in one of the older forms or a mixture of both, and its values."""
    values = draw(st.dictionaries(PLAIN, ANY, max_size=4))
    facts = {**FACTS, **draw(st.sampled_from([{}, MORE_FACTS]))}
    place = draw(st.sampled_from(["metadata", "top", "both"]))
    top, metadata = {}, {}
    for name, value in facts.items():
        alias = draw(st.sampled_from([name, "event_type"])) if name == "event" else name
        if place != "top":
            metadata[alias] = value
        if place != "metadata":
            top[name] = value
    under_data, beside = {}, {}
    for name, value in values.items():
        where = draw(st.sampled_from(["data", "top", "both"]))
        if where != "top":
            under_data[name] = value
        if where != "data":
            beside[name] = value
    body = {**beside, **top}
    if metadata or "events" in beside:  # without metadata it would be a batch
        body[METADATA] = metadata
    if under_data or draw(st.booleans()):
        body["data"] = under_data
    return body, values


@given(wellformed())
def test_each_mixture_arrives_with_its_values(made):
    body, values = made
    (event,) = parse(body)
    assert same(event.payload, values)
    assert {name: getattr(event, name) for name in FACTS} == FACTS
    stated = {**body.get(METADATA, {}), **body}
    for name in MORE_FACTS:
        if name in stated:
            assert getattr(event, name) == MORE_FACTS[name]


@st.composite
def anything(draw: st.DrawFn) -> dict[str, Any]:
    """Facts and values under names that mean much, in any place, or missing."""
    top = draw(st.dictionaries(TRICKY, ANY, max_size=4))
    metadata = draw(st.none() | st.dictionaries(TRICKY, ANY, max_size=3))
    for name, value in {**FACTS, **draw(st.sampled_from([{}, MORE_FACTS]))}.items():
        outer = top if metadata is None or draw(st.booleans()) else metadata
        outer[name] = value
    if metadata is not None:
        top[METADATA] = metadata
    for holder in ("data", "payload"):
        if draw(st.booleans()):
            top[holder] = draw(st.dictionaries(TRICKY, ANY, max_size=3))
    return top


def arrived(event: Event, name: str, value: Any, payload: dict[str, Any]) -> bool:
    """Whether a field is a value of the payload, or a fact of the event."""
    if name in payload and same(payload[name], value):
        return True
    name = "event" if name == "event_type" else name
    if name not in Event.__struct_fields__ or name == "payload":
        return False
    if value in (None, False):  # no fact
        return True
    fact = getattr(event, name)
    if name == "timestamp":  # it may have been cut to seconds
        return exact_timestamp(value)[:19] == fact[:19]
    return same(fact, value)


@given(anything())
def test_no_value_is_dropped_silently(body):
    try:
        events = parse(body)
    except BridgecoreError:
        return
    if not events:
        assert body.get("events") == [] or -1 in (
            body.get("record_id"),
            (body.get(METADATA) or {}).get("record_id"),
        )
        return
    (event,) = events
    holders = {name: body.get(name) for name in ("data", "payload")}
    metadata = body.get(METADATA)
    for values in holders.values():
        for name, value in (values or {}).items():
            assert name in event.payload
            assert same(event.payload[name], value)
    if "payload" in body and holders["data"] is None and metadata is None:
        return  # the present form ignores fields that it does not know
    for name, value in body.items():
        if name not in (*holders, METADATA):
            assert arrived(event, name, value, event.payload), name
    left = event.payload.get(METADATA)
    for name, value in (metadata or {}).items():
        if name in holders and isinstance(value, dict):
            assert all(same(event.payload[inner], value[inner]) for inner in value)
        elif name not in holders or value is not None:
            assert arrived(event, name, value, left if isinstance(left, dict) else {}), name


@pytest.mark.parametrize(
    ("name", "shown"), [("name", "data.name"), ("x" * 65, "data.…"), ("a\nb", "data.…")]
)
def test_an_error_names_no_odd_field(name, shown):
    with pytest.raises(InvalidEvent) as refused:
        parse({**FACTS, "payload": {name: "secret"}, "data": {name: "other"}})
    assert str(refused.value) == f"{shown}: contradicts another value of this field"


def test_values_that_are_nested_too_deep_to_be_compared_are_refused():
    deep = None
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deep"):
        present_form({"a": deep, "data": {"a": deep}})
