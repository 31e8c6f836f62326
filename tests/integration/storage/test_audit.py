"""The audit log forgets its old entries."""


def test_old_entries_are_deleted_in_one_operation(parts):
    redis = parts.storage.redis
    redis.delete("bridgecore:audit")
    now = parts.storage.now() // 1000
    for days in (10, 5, 3, 1):
        facts = {"by": "cli", "action": "test", "facts": f'{{"days": {days}}}'}
        redis.xadd("bridgecore:audit", facts, id=f"{now - days * 86400_000}-0")
    commands = redis.info("stats")["total_commands_processed"]
    assert parts.storage.audit.drop_older_than(4 * 86400) == 2
    assert redis.info("stats")["total_commands_processed"] - commands <= 3  # TIME, XTRIM, INFO
    assert [entry.facts["days"] for entry in parts.storage.audit.newest(10)] == [1, 3]
