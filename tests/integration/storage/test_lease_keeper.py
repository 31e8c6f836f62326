"""The leases of this process are extended while it works."""

from tests.support import eventually


def test_a_lease_is_extended_as_long_as_its_handler_runs(make_parts):
    parts = make_parts(lease=0.2)
    key, kept = parts.key("lease:res.partner:1"), []

    @parts.registry.on()
    def long(event):
        begun = parts.storage.redis.time()[0]
        eventually(lambda: parts.storage.redis.time()[0] > begun + 1)  # over one second
        kept.append(parts.storage.redis.exists(key))

    parts.push(parts.event(1))
    parts.deliver()
    assert kept == [1]
    assert parts.states() == {1: "confirmed"}
    assert not parts.storage.redis.exists(key)
