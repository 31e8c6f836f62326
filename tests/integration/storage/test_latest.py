"""The latest values of records."""

from tests.integration.batching import latest, records, settle

REDUCED = {"_metadata": {"reduced_to": "changed_fields"}}


def test_they_are_kept_until_the_record_is_deleted(parts):
    parts.push(parts.event(1, event="create", payload={"name": "Azure", "tags": []}))
    parts.push(parts.event(2, payload={"name": "Žižkov", "tags": []}, changed_fields=["name"]))
    parts.deliver()
    assert latest(parts) == {"name": "Žižkov", "tags": []}

    parts.push(parts.event(3, event="unlink", payload={}))
    parts.deliver()
    assert latest(parts) == {}


def test_what_is_configured_no_longer_goes_with_the_next_event(parts):
    parts.push(parts.event(1, event="create", payload={"name": "Azure", "vat": "1"}))
    parts.push(parts.event(2, payload={"name": "Azure", "city": "Brno"}, changed_fields=["city"]))
    parts.deliver()
    assert latest(parts) == {"name": "Azure", "city": "Brno"}


def test_what_a_reduced_payload_leaves_out_stays(parts):
    """It holds only what has changed, or nothing; the numbers are those that JSON has."""
    parts.push(parts.event(1, event="create", payload={"name": "Azure", "n": 2**60, "x": 0.1}))
    parts.push(parts.event(2, payload={"name": "Blue", **REDUCED}, changed_fields=["name", "text"]))
    parts.push(parts.event(3, payload={"x": 1.5}))  # without changed_fields
    parts.deliver()
    assert latest(parts) == {"name": "Blue", "n": 2**60, "x": 1.5, **REDUCED}


def test_a_whole_payload_replaces_what_a_reduced_one_left(parts):
    parts.push(parts.event(1, payload={"name": "Blue", **REDUCED}, changed_fields=["name"]))
    parts.push(parts.event(2, payload={"city": "Brno"}, changed_fields=["city"]))
    parts.deliver()
    assert latest(parts) == {"city": "Brno"}


def test_reduced_payloads_in_one_batch_build_on_each_other(parts):
    parts.push(
        parts.event(1, event="create", payload={"a": 1, "b": 1, "c": 1}),
        parts.event(2, payload={"a": 2}),
        parts.event(3, record_id=2, payload={"b": 9}),
        parts.event(4, payload={"b": 4}),
    )
    batch = parts.storage.batches.claim(parts.source, records(1, 2), 10).batch
    settle(parts, batch)
    assert latest(parts) == {"a": 2, "b": 4, "c": 1}
    assert latest(parts, 2) == {"b": 9}


def test_a_late_event_does_not_replace_newer_values(parts):
    parts.push(parts.event(2, payload={"name": "new"}, changed_fields=["city"]))
    parts.push(parts.event(1, payload={"name": "old"}, changed_fields=["name"]))
    parts.deliver()
    assert latest(parts) == {"name": "new"}


def test_what_comes_late_does_not_bring_back_what_was_erased(parts):
    parts.push(parts.event(2, payload={"name": "Ada"}))
    parts.deliver()
    parts.push(parts.event(3, payload={"_metadata": {"erased": True}}))
    parts.deliver()
    parts.push(parts.event(1, event="create", payload={"name": "Augusta"}))
    parts.deliver()
    assert latest(parts) == {"_metadata": {"erased": True}}


def dated(year: int) -> str:
    return f"{year}-01-31T12:00:00.000000Z"


def test_an_event_of_a_wrong_clock_does_not_keep_its_values_for_ever(parts):
    """Odoo gave the second event a higher id, so it was committed later."""
    parts.push(parts.event(1, payload={"n": 1}, timestamp=dated(2099)))
    parts.push(parts.event(2, payload={"n": 2}))
    parts.deliver()
    assert latest(parts) == {"n": 2}
    (state,) = parts.storage.history.sync_states(parts.source).values()
    assert state["last_event_id"] == "2"


def test_a_later_event_of_a_restored_database_has_a_lower_id(parts):
    parts.push(parts.event(100, payload={"n": 1}, timestamp=dated(2026)))
    parts.push(parts.event(50, payload={"n": 2}, timestamp=dated(2027)))
    parts.deliver()
    assert latest(parts) == {"n": 2}


def test_reduced_payloads_build_on_values_of_a_wrong_clock(parts):
    parts.push(parts.event(1, payload={"a": 1, "b": 1}, timestamp=dated(2099), event="create"))
    parts.push(parts.event(2, payload={"b": 2, **REDUCED}, changed_fields=["b"]))
    parts.deliver()
    assert latest(parts) == {"a": 1, "b": 2, **REDUCED}


def test_values_that_an_earlier_version_stored_compare_by_their_time(parts):
    stored = 'write {"n": 1}'
    for timestamp, left in ((dated(2020), {"n": 2}), (dated(2099), {"n": 1})):
        record = 1 if left["n"] == 2 else 2
        name = parts.key(f"latest:res.partner:{record}")
        parts.storage.redis.set(name, f"{timestamp} {stored}")
        parts.push(parts.event(record, record_id=record, payload={"n": 2}, changed_fields=["n"]))
        parts.deliver()
        assert latest(parts, record) == left


def test_an_erasure_reaches_events_of_a_wrong_clock(parts):
    parts.push(parts.event(1, payload={"name": "Ada"}, timestamp=dated(2099)))
    parts.deliver()
    parts.push(parts.event(2, payload={"_metadata": {"erased": True}}))
    parts.deliver()
    bodies = parts.storage.redis.keys(parts.key("body:*"))
    assert bodies
    assert not any("Ada" in parts.storage.redis.get(body) for body in bodies)
