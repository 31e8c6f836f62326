"""The instances of each source: the names of the places where its database was heard."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bridgecore.storage.connection import Connection, prefix

#: Seconds for which an instance is remembered that another one has replaced. A database that comes
#: back later was moved there.
REMEMBERED = 30 * 86400
#: seconds without a sign of two databases after which the receiver says no more of it
QUIET = 86400
#: seconds between two warnings of the same source
WARNED = 3600
#: instances that are remembered at most
MOST = 16

#: `same`: the instance that was heard before. `first`: none was heard before. `moved`: it is new,
#: and replaces another one. `back`: another one had replaced it, so there are two databases.
Meaning = Literal["same", "first", "moved", "back"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What it means that an instance was heard."""

    meaning: Meaning
    #: the instance that was heard before this one; empty if there was none
    before: str
    #: it is a sign of two databases, and the log has not warned of them for an hour
    must_warn: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two databases claim the same source."""

    instances: tuple[str, str]
    #: the first and the last sign; there was none in the day before the first
    since: datetime
    last: datetime


class Instances:
    """One hash in Redis per source."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.redis
        self._note = connection.script("note_instance")

    def note(self, source: str, instance: str, age: float = 0.0) -> Heard:
        """Write down that an instance was heard; return what that means.

        Parameters:
            age: seconds since it was heard.
        """
        times = [int(seconds * 1e6) for seconds in (age, REMEMBERED, QUIET, WARNED)]
        meaning, before, must_warn = self._note(source, instance, *times, MOST)
        return Heard(meaning, before, bool(must_warn))

    def conflict(self, source: str) -> Conflict | None:
        """Return the conflict of a source; None if there was no sign of one for a day."""
        names = ("now", "other", "signs_since", "sign_at")
        fields: Any = self._redis.hmget(f"{prefix(source)}:instances", *names)
        now, other, since, last = fields
        if not last or self._connection.now() - int(last) > QUIET * 1e6:
            return None
        return Conflict((now, other), _moment(since), _moment(last))


def _moment(microseconds: str) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1e6, UTC)
