"""Notices that Redis has started anew, or that another server has become the master.

Such a server may lack the last writes: an append-only file is written once a second, and a replica
lags behind. So the feed of each source is read again from its beginning, for unconfirmed events,
and events that were lost come before later ones.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from redis.exceptions import OutOfMemoryError, ResponseError

from bridgecore.storage.connection import prefix


def note_server(connection: Any, sources: Iterable[str]) -> str:
    """Return the server's `run_id`, another one for each start; empty if it is not known.

    If the feeds were read from another start of Redis, forget that they were read.

    Called for each new connection before it is used, so nothing is accepted before that. What the
    feed hash has of a reading is deleted, also the token of a pull that is under way.

    Parameters:
        connection: of redis-py, connected.

    Raises:
        RedisError
    """
    try:
        found = re.search(r"run_id:(\w+)", _ask(connection, "INFO", "server"))
    except ResponseError:  # this Redis user may not ask
        return ""
    run_id = found[1] if found else ""
    for source in sources:
        feed = f"{prefix(source)}:feed"
        if _ask(connection, "HGET", feed, "run_id") == run_id:
            continue
        _ask(connection, "HDEL", feed, "read_at", "cursor", "pull", "catching_up_since")
        with suppress(OutOfMemoryError):  # then the next connection looks again
            _ask(connection, "HSET", feed, "run_id", run_id)
    return run_id


def _ask(connection: Any, *command: str) -> Any:
    connection.send_command(*command)
    answer = connection.read_response()
    return answer.decode() if isinstance(answer, bytes) else answer
