"""The connection to Redis, and the Lua scripts that run there."""

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from bridgecore.config.settings import Settings
from bridgecore.storage.memory import headroom, used_bytes


def prefix(source: str) -> str:
    """Return the beginning of all keys of a source."""
    return f"bridgecore:{{{source}}}"


class Connection:
    """A synchronous client of Redis. Several threads may use it, and a process after a fork.

    Parameters:
        options: more options of redis-py's client.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.redis: Redis = settings.redis.client(decode_responses=True, **options)

    def script(self, name: str) -> "Script":
        """Return the script of this name in the folder `lua`."""
        return Script(self.redis, name)

    def now(self) -> int:
        """Return Redis' time in microseconds. All hosts use this one clock."""
        seconds, microseconds = self.redis.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    def problem(self) -> str | None:
        """Return why this Redis cannot be used safely, or None if it can."""
        memory: Any = self.redis.info("memory")
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            return (
                f"Redis may drop events, because its maxmemory-policy is {policy}: "
                "set it to noeviction."
            )
        most = int(memory.get("maxmemory", 0))
        if most and used_bytes(memory) >= most - headroom(most):
            return (
                f"Redis is full, so new events are refused ({memory['used_memory_human']} used, "
                f"maxmemory is {memory['maxmemory_human']}, of which a part is kept free): raise "
                "its maxmemory, or lower BRIDGECORE_MAX_STORED_EVENTS."
            )
        return None


class Script:
    """A Lua script: Redis makes all of its changes or none.

    redis-py's own class is not used, because in a pipeline it asks Redis before every call whether
    Redis still has the script.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        folder = files("bridgecore.storage") / "lua"
        self._redis = redis
        self._text = "".join((folder / f"{part}.lua").read_text() for part in ("common", name))
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, source: str, *arguments: Any) -> Any:
        """Run the script on the keys of one source."""
        (result,) = self.together([(source, arguments)])
        return result

    def together(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Run the script once per call (source, arguments), all in one round trip."""
        try:
            return self._run(calls)
        except NoScriptError:
            self._redis.script_load(self._text)
            return self._run(calls)

    def _run(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        if len(calls) == 1:
            source, arguments = calls[0]
            return [self._redis.evalsha(self._digest, 1, prefix(source), *arguments)]
        pipeline = self._redis.pipeline(transaction=False)
        for source, arguments in calls:
            pipeline.evalsha(self._digest, 1, prefix(source), *arguments)
        return pipeline.execute()
