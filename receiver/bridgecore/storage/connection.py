"""The connection to Redis, and the Lua scripts that run there."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from bridgecore.config.settings import Settings


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
        # Redis compares maxmemory with its memory without the buffers of replicas and of the AOF.
        used = memory["used_memory"] - memory.get("mem_not_counted_for_evict", 0)
        if used >= memory.get("maxmemory", 0) > 0:
            return (
                f"Redis is full and refuses events ({memory['used_memory_human']} used, "
                f"maxmemory is {memory['maxmemory_human']}): raise its maxmemory, or lower "
                "BRIDGECORE_MAX_STORED_EVENTS."
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
        self._digest = ""

    def __call__(self, source: str, *arguments: Any) -> Any:
        """Run the script on the keys of one source."""
        (result,) = self.together([(source, arguments)])
        return result

    def together(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Run the script once per call (source, arguments), all in one round trip."""
        try:
            return self._run(calls)
        except NoScriptError:  # Redis was restarted, or a replica became the master
            self._digest = ""
            return self._run(calls)

    def _run(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        digest = self._digest  # a copy: another thread may reset the attribute meanwhile
        if not digest:
            digest = self._digest = str(self._redis.script_load(self._text))
        if len(calls) == 1:
            source, arguments = calls[0]
            return [self._redis.evalsha(digest, 1, prefix(source), *arguments)]
        pipeline = self._redis.pipeline(transaction=False)
        for source, arguments in calls:
            pipeline.evalsha(digest, 1, prefix(source), *arguments)
        return pipeline.execute()
