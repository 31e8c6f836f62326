"""What it means that an instance of a source is heard."""

from bridgecore.storage import instances

from tests.integration.parts import Parts


def meanings(parts: Parts, *heard: str) -> list[str]:
    return [parts.storage.instances.note(parts.source, instance).meaning for instance in heard]


def test_a_database_that_stays_is_no_sign(parts):
    assert meanings(parts, "a", "a", "a") == ["first", "same", "same"]
    assert parts.storage.instances.conflict(parts.source) is None


def test_a_database_that_moves_is_no_sign(parts):
    assert meanings(parts, "a", "b", "b", "c") == ["first", "moved", "same", "moved"]
    assert parts.storage.instances.conflict(parts.source) is None


def test_an_instance_that_comes_back_is_a_sign(parts):
    assert meanings(parts, "a", "b", "a", "b") == ["first", "moved", "back", "back"]
    conflict = parts.storage.instances.conflict(parts.source)
    assert set(conflict.instances) == {"a", "b"}
    assert conflict.since < conflict.last


def test_what_another_process_tells_late_is_no_sign(parts):
    """It heard the old instance before the database moved."""
    note = parts.storage.instances.note
    note(parts.source, "a")
    note(parts.source, "b")
    assert note(parts.source, "a", age=60).meaning == "same"
    assert note(parts.source, "b").meaning == "same"
    assert note(parts.source, "a").meaning == "back"


def test_a_database_that_comes_back_after_a_month_was_moved(parts):
    meanings(parts, "a", "b")
    key = parts.key("instances")
    long_ago = parts.storage.now() - int((instances.REMEMBERED + 1) * 1e6)
    parts.storage.redis.hset(key, "replaced:a", long_ago)
    assert meanings(parts, "a") == ["moved"]


def test_a_day_without_a_sign_ends_it(parts):
    meanings(parts, "a", "b", "a")
    key = parts.key("instances")
    yesterday = parts.storage.now() - int((instances.QUIET + 1) * 1e6)
    parts.storage.redis.hset(key, mapping={"sign_at": yesterday, "signs_since": yesterday})
    assert parts.storage.instances.conflict(parts.source) is None
    meanings(parts, "b")  # the next sign begins a new series
    conflict = parts.storage.instances.conflict(parts.source)
    assert conflict.since == conflict.last


def test_a_warning_an_hour(parts):
    note = parts.storage.instances.note
    warned = [note(parts.source, instance).must_warn for instance in "ababa"]
    assert warned == [False, False, True, False, False]
    an_hour_ago = parts.storage.now() - int((instances.WARNED + 1) * 1e6)
    parts.storage.redis.hset(parts.key("instances"), "warned_at", an_hour_ago)
    assert note(parts.source, "b").must_warn


def test_what_is_remembered_is_bounded(parts):
    meanings(parts, *(f"i{number}" for number in range(100)))
    fields = parts.storage.redis.hkeys(parts.key("instances"))
    assert len([field for field in fields if field.startswith("replaced:")]) == instances.MOST
    assert meanings(parts, "i98") == ["back"]  # the latest are remembered


def test_sources_do_not_meet(make_parts):
    one, other = make_parts(), make_parts()
    assert meanings(one, "a", "b") == ["first", "moved"]
    assert meanings(other, "a") == ["first"]
