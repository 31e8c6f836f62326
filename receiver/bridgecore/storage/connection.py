"""The connection to Redis and the scripts that run there."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from bridgecore.config.redis_address import CONNECT_TIMEOUT, SOCKET_TIMEOUT
from bridgecore.config.settings import Settings


def prefix(source: str) -> str:
    """What all keys of a source start with."""
    return f"bridgecore:{{{source}}}"


class Connection:
    """Synchronous and safe to use from several threads, and after a fork.

    Parameters:
        options: further ones, as redis-py's.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.redis: Redis = settings.redis.client(
            decode_responses=True,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # a connection that went stale is replaced at once
            **options,
        )

    def script(self, name: str) -> "Script":
        """A script of the folder `lua`."""
        return Script(self.redis, name)

    def now(self) -> int:
        """Redis' time in microseconds: the one clock of all hosts."""
        seconds, microseconds = self.redis.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    def problem(self) -> str | None:
        """What keeps Redis from being used safely, in words; None: nothing."""
        memory: Any = self.redis.info("memory")
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            return f"Redis may drop events: set its maxmemory-policy to noeviction, not {policy}."
        # Redis does not count its buffers for replicas and for the file of changes.
        used = memory["used_memory"] - memory.get("mem_not_counted_for_evict", 0)
        if used >= memory.get("maxmemory", 0) > 0:
            return (
                f"Redis is full, so events are refused ({memory['used_memory_human']} used, "
                f"maxmemory is {memory['maxmemory_human']}): raise its maxmemory, or lower "
                "BRIDGECORE_MAX_STORED_EVENTS."
            )
        return None


class Script:
    """Several changes that happen together or not at all.

    Not redis-py's own class: in a pipeline that one asks before every use whether Redis still
    has the script.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        folder = files("bridgecore.storage") / "lua"
        self._redis = redis
        self._text = "".join((folder / f"{part}.lua").read_text() for part in ("common", name))
        self._digest = ""

    def __call__(self, source: str, *arguments: Any) -> Any:
        """Run it on the keys of one source."""
        (result,) = self.together([(source, arguments)])
        return result

    def together(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Run it several times, for sources and with arguments of their own, in one round trip."""
        try:
            return self._run(calls)
        except NoScriptError:  # Redis was restarted, or another one has taken over
            self._digest = ""
            return self._run(calls)

    def _run(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        digest = self._digest  # of this thread: another one may find the script missing meanwhile
        if not digest:
            digest = self._digest = str(self._redis.script_load(self._text))
        if len(calls) == 1:
            source, arguments = calls[0]
            return [self._redis.evalsha(digest, 1, prefix(source), *arguments)]
        pipeline = self._redis.pipeline(transaction=False)
        for source, arguments in calls:
            pipeline.evalsha(digest, 1, prefix(source), *arguments)
        return pipeline.execute()
