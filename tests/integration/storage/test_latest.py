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
