"""The receiver's state in Redis; the one module that knows its keys.

All keys of a source start with `bridgecore:{<source>}`; its hash tag keeps them on one node
of a cluster. An event's key is `<event id>@<timestamp>`, a record's `<model>:<id>`.

| key                | type   | holds                                                         |
| ------------------ | ------ | ------------------------------------------------------------- |
| `event:<event>`    | hash   | state, times, attempts, replays, handlers done: its memory    |
| `body:<event>`     | string | the event as JSON                                             |
| `events`           | zset   | events by the time of their acceptance, for listing           |
| `inbox:<record>`   | list   | queued events of a record, in order                           |
| `due`              | zset   | records with queued events, by the time to look at them       |
| `waiting`          | number | queued events                                                 |
| `lease:<name>`     | string | token of the owner of a record, of `sync` or of `reports`     |
| `reports`          | zset   | handled events whose outcome Odoo is to be told, in order     |
| `sequence`         | number | the order of `reports`                                        |
| `dead`             | zset   | events that were given up                                     |
| `record:<record>`  | hash   | latest value of each field, as JSON                           |
| `sync:<model>`     | hash   | how far the model's events have been handled                  |
| `cursor`           | string | how far the feed has been read                                |

States: queued → done | dead; done → confirmed; dead → queued, if Odoo offers it again. Changes
of several keys are Lua scripts, so that a crash leaves all or nothing of them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal
from uuid import uuid4

from pydantic import ValidationError
from redis import Redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from bridgecore.errors import LeaseLost, QueueFull
from bridgecore.events import Event
from bridgecore.settings import Settings

Via = Literal["push", "pull"]
Outcome = Literal["done", "dead"]

#: seconds; a sender waits for the answer, so a broken Redis must be noticed soon
CONNECT_TIMEOUT, SOCKET_TIMEOUT = 1, 5
#: characters of a traceback that are kept; its end says most
ERROR_LENGTH = 8000
HANDLER_PREFIX = "handler:"


@dataclass(frozen=True, slots=True)
class Submission:
    """Events of one source that are to be accepted together."""

    source: str
    events: Sequence[Event]
    via: Via
    #: when the feed was asked for them (`Storage.now`); 0: it was not
    asked_at: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of a submission: the state in which each of its events was found.

    That of an event which is not known is `new`, that of one which Odoo offers again `offered`.
    """

    states: Sequence[str]
    #: reporting has to be started
    report: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on something of a source, as long as it is extended."""

    source: str
    name: str
    token: str


@dataclass(frozen=True, slots=True)
class Work:
    """The first waiting event of a record that was taken."""

    lease: Lease
    event: Event
    #: how often it was taken, this time included
    attempt: int
    #: names of the handlers that already succeeded
    handled: frozenset[str]
    #: the event is there in name only
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of an event, for Odoo."""

    key: str
    event_id: int
    #: its place on the list; a later outcome of the same event has another one
    place: int
    #: why it was given up; None: it was handled
    error: str | None


class Storage:
    """Synchronous and safe to use from several threads, and after a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.redis: Redis = Redis.from_url(
            settings.redis_url.get_secret_value(),
            decode_responses=True,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # a connection that went stale is replaced at once
        )
        self._claim = self._script("claim")
        self._take = self._script("take")
        self._finish = self._script("finish")
        self._postpone = self._script("postpone")
        self._confirm = self._script("confirm")
        self._stalled = self._script("stalled")
        self._lease = self._script("lease")
        self._lease_ms = int(settings.lease * 1000)

    def _script(self, name: str) -> Script:
        folder = files("bridgecore") / "lua"
        return self.redis.register_script(
            "".join((folder / f"{part}.lua").read_text("utf-8") for part in ("common", name))
        )

    def _run(self, script: Script, source: str, arguments: Sequence[Any]) -> Any:
        return script(keys=[_prefix(source)], args=arguments)

    def claim(self, submissions: Sequence[Submission]) -> list[Claim | QueueFull]:
        """Queue the events that are new and note the repeats; each submission wholly or not.

        A repeat of a handled event puts its outcome on the list of reports again; one that was
        given up is queued again if Odoo still has it in its feed after it was told so.
        """
        limits = (self._settings.max_queue_depth, self._settings.max_listed_events)
        pipeline = self.redis.pipeline(transaction=False)
        for submission in submissions:
            arguments: list[Any] = [submission.via, *limits, submission.asked_at]
            for event in submission.events:
                arguments += [event.key, event.record, event.model, event.event, event.body]
            self._claim(keys=[_prefix(submission.source)], args=arguments, client=pipeline)
        return [
            QueueFull(retry_after=self._settings.retry_after)
            if refused
            else Claim(states, bool(report))
            for refused, report, states in pipeline.execute()
        ]

    def take(self, source: str, record: str) -> Work | None:
        """Take a record and its first event, if one is due and no other worker has it."""
        lease = Lease(source, record, uuid4().hex)
        arguments = [record, lease.token, self._lease_ms]
        return _work(lease, self._run(self._take, source, arguments))

    def handler_succeeded(self, work: Work, handler: str) -> None:
        """Remember that this handler must not get this event again."""
        key = f"{_prefix(work.lease.source)}:event:{work.event.key}"
        self.redis.hset(key, HANDLER_PREFIX + handler, "1")

    def finish(self, work: Work, outcome: Outcome, error: str = "") -> tuple[Work | None, bool]:
        """End an event; the record's next one, and whether reporting has to be started.

        Raises:
            LeaseLost
        """
        event, lease = work.event, work.lease
        arguments: list[Any] = [lease.name, lease.token, event.key, outcome, _storable(error)]
        arguments += [event.model, event.event, event.event_id, event.timestamp]
        for field, value in event.payload.items():
            arguments += [field, json.dumps(value)]
        result = self._run(self._finish, lease.source, arguments)
        if result is None:
            raise LeaseLost
        report, following = result
        return _work(lease, following), bool(report)

    def postpone(self, work: Work, delay: float, error: str) -> None:
        """Give a record back after a failed attempt, to be taken again in `delay` seconds.

        Raises:
            LeaseLost
        """
        lease = work.lease
        arguments = [lease.name, lease.token, work.event.key, int(delay * 1e6)]
        arguments.append(_storable(error))
        if not self._run(self._postpone, lease.source, arguments):
            raise LeaseLost

    def stalled(self, source: str, limit: int) -> list[str]:
        """Records whose message must have been lost; each is named once per lease period."""
        arguments = [int(self._settings.lease * 1e6), limit]
        records: list[str] = self._run(self._stalled, source, arguments)
        return records

    def reports(self, source: str, limit: int) -> list[Report]:
        """The first outcomes that Odoo is to be told, in order."""
        prefix = _prefix(source)
        places: Any = self.redis.zrange(f"{prefix}:reports", 0, limit - 1, withscores=True)
        pipeline = self.redis.pipeline(transaction=False)
        for key, _place in places:
            pipeline.hmget(f"{prefix}:event:{key}", "state", "error")
        found = zip(places, pipeline.execute(), strict=True)
        return [
            Report(
                str(key),
                int(key.partition("@")[0]),
                int(place),
                (error or "") if state == "dead" else None,
            )
            for (key, place), (state, error) in found
            if state != "queued"  # offered again since the list was read
        ]

    def confirm(self, lease: Lease, reports: Iterable[Report]) -> int:
        """Odoo knows these; how many are left. With none left the lease is given back.

        One that has another outcome by now stays on the list.

        Raises:
            LeaseLost
        """
        content, memory = self._settings.event_retention, self._settings.dedupe_retention
        arguments = [lease.token, int(content * 1000), int(memory * 1000)]
        for report in reports:
            arguments += [report.key, report.place]
        left = int(self._run(self._confirm, lease.source, arguments))
        if left < 0:
            raise LeaseLost
        return left

    def acquire(self, source: str, name: str) -> Lease | None:
        """A lease that nobody has, or None."""
        lease = Lease(source, name, uuid4().hex)
        key = f"{_prefix(source)}:lease:{name}"
        return lease if self.redis.set(key, lease.token, nx=True, px=self._lease_ms) else None

    def extend(self, lease: Lease) -> bool:
        """Keep a lease for another period; False if it has another owner by now."""
        return self._change_lease(lease, self._lease_ms)

    def release(self, lease: Lease) -> bool:
        """Give a lease back; False if it has another owner by now."""
        return self._change_lease(lease, 0)

    def _change_lease(self, lease: Lease, milliseconds: int) -> bool:
        arguments = [lease.name, lease.token, milliseconds]
        return bool(self._run(self._lease, lease.source, arguments))

    def now(self) -> int:
        """Redis' time in microseconds."""
        seconds, microseconds = self.redis.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    def cursor(self, source: str) -> int:
        return int(self.redis.get(f"{_prefix(source)}:cursor") or 0)

    def set_cursor(self, source: str, cursor: int) -> None:
        self.redis.set(f"{_prefix(source)}:cursor", cursor)

    def recent(self, source: str, limit: int) -> list[tuple[str, dict[str, str]]]:
        """The newest accepted events, newest first: key and fields of `event:<key>`."""
        prefix = _prefix(source)
        keys = [str(key) for key in self.redis.zrevrange(f"{prefix}:events", 0, limit - 1)]
        pipeline = self.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(f"{prefix}:event:{key}")
        # The memory of an event may have expired before its place in the list.
        return [(k, fields) for k, fields in zip(keys, pipeline.execute(), strict=True) if fields]

    def erase(self, source: str, record: str) -> int:
        """Blank what is kept of a record's events (personal data); of how many.

        Reads the memory of every event of the source, so it takes its time; it is rare.
        """
        prefix = _prefix(source)
        memories = f"{prefix}:event:"
        erased = 0
        for memory in self.redis.scan_iter(match=f"{memories}*", count=1000):
            if self.redis.hget(memory, "record") != record:
                continue
            body = f"{prefix}:body:{str(memory).removeprefix(memories)}"
            if content := self.redis.get(body):
                blank = Event.model_validate_json(str(content)).blank()
                # XX: it may have expired meanwhile; what expires still has to
                erased += bool(self.redis.set(body, blank.body, xx=True, keepttl=True))
            self.redis.hdel(memory, "error")  # a traceback may quote values
        self.redis.delete(f"{prefix}:record:{record}")
        return erased

    def problem(self) -> str | None:
        """What keeps Redis from being used safely, in words; None: nothing."""
        policy = self.redis.info("memory").get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            return f"Redis may drop events: set its maxmemory-policy to noeviction, not {policy}."
        return None


def _prefix(source: str) -> str:
    return f"bridgecore:{{{source}}}"


def _work(lease: Lease, head: list[Any] | None) -> Work | None:
    if head is None:
        return None
    key, body, flat = head
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    unreadable = False
    try:
        event = Event.model_validate_json(body)
    except ValidationError:
        # Whatever it is, it must come to its end: those behind it wait.
        event_id, _, timestamp = key.partition("@")
        model, _, record_id = fields["record"].partition(":")
        unreadable = True
        event = Event.model_validate(
            {
                "event_id": int(event_id),
                "source": lease.source,
                "model": model,
                "record_id": int(record_id),
                "event": fields["event"],
                "timestamp": timestamp,
            }
        )
    return Work(
        lease,
        event,
        int(fields["attempts"]),
        frozenset(f.removeprefix(HANDLER_PREFIX) for f in fields if f.startswith(HANDLER_PREFIX)),
        unreadable,
    )


def _storable(error: str) -> str:
    """The end of an error's text, without what UTF-8 cannot express (lone surrogates)."""
    return error[-ERROR_LENGTH:].encode("utf-8", "backslashreplace").decode()
