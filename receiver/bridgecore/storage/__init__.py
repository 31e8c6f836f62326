"""The receiver's state in Redis. No other package knows the keys.

All keys of a source start with `bridgecore:{<source>}`. The braces are a hash tag: it keeps the
keys of one source on one node of a Redis cluster. In the table, `<event>` is an event's key,
`<event id>@<timestamp>`, and `<record>` is `<model>:<id>`.

| key                | type   | holds                                                             |
| ------------------ | ------ | ----------------------------------------------------------------- |
| `event:<event>`    | hash   | memory of an event: state, times, attempts, succeeded handlers    |
| `body:<event>`     | string | content of an event: the event as JSON                            |
| `events`           | zset   | `<event> <record> <name>`, by time of acceptance, for listing     |
| `inbox:<record>`   | list   | queued events of a record, in order                               |
| `due`              | zset   | records with queued events, by the time when they may be claimed  |
| `queued`           | zset   | queued events, by the time of their commit in Odoo                |
| `lease:<name>`     | string | token of the lease's holder; the key expires with the lease       |
| `reports`          | zset   | events whose result waits to be sent to Odoo, in order            |
| `sequence`         | number | counter for the order of `reports`                                |
| `dead`             | zset   | dead letters, by the time when they were given up                 |
| `kept`             | zset   | finished events, by the time when they were finished              |
| `remembered`       | zset   | finished events whose content was deleted, by the same time       |
| `latest:<record>`  | string | timestamp and name of its latest event, and its values as JSON    |
| `records`          | zset   | records that have `latest:<record>`, by time of their last result |
| `sync:<model>`     | hash   | how many events of a model were handled, and the latest of them   |
| `models`           | set    | models that have a `sync:<model>`                                 |
| `feed`             | hash   | cursor of the feed, token of the pull, when the feed was read to  |
|                    |        | its end and from which start of Redis; failures and backlog       |
| `instances`        | hash   | the place from which the source was heard last, those before it,  |
|                    |        | and the last sign that two databases claim the source             |
| `slow`             | hash   | handlers that run for long, by process                            |
| `figures`          | hash   | counters for monitoring                                           |
| `stream`           | stream | the newest events that are done or dead                           |

- The `<name>` of a lease is a record, `sync` (the right to pull) or `reports` (to confirm).
- In `reports`, an even place means that the event is done, an odd one that it was given up.
- Two keys belong to no source: `bridgecore:audit`, a stream, is the audit log, and
  `bridgecore:refusals`, a hash, counts the pushes that the API refused.

States of an event:

- queued → done or dead, when a worker settles its result;
- done → confirmed, when Odoo knows the result;
- dead → queued, when an operator replays the event or Odoo's feed offers it again;
- dead → discarded, when an operator discards it or the dead letters are too many or too old;
- discarded → queued, when Odoo's feed offers it again.

An event is *finished* when it is confirmed, or when it is discarded and Odoo knows that it was
given up. The receiver may then forget it: first its content, later its memory. No key stores the
state `confirmed`: the memory still says `done`, and the event is in `kept` or `remembered`.

A change of several keys is one Lua script, so a crash leaves all of it or nothing. Redis' clock
gives all times, in microseconds, except the time of a commit, which comes from Odoo.
"""

from functools import cached_property
from typing import Any

from bridgecore.config.settings import Settings
from bridgecore.storage.audit import AuditLog
from bridgecore.storage.batches import Batches
from bridgecore.storage.connection import Connection
from bridgecore.storage.dead_letters import DeadLetters
from bridgecore.storage.feeds import Feeds
from bridgecore.storage.figures import FigureStore
from bridgecore.storage.history import History
from bridgecore.storage.inbox import Inbox
from bridgecore.storage.instances import Instances
from bridgecore.storage.latest import Latest
from bridgecore.storage.leases import Leases
from bridgecore.storage.live import LiveStream
from bridgecore.storage.memory import Memory
from bridgecore.storage.progress import Progress
from bridgecore.storage.reports import Reports
from bridgecore.storage.retention import Retention
from bridgecore.storage.server import note_server
from bridgecore.storage.slow_calls import SlowCalls


class Storage(Connection):
    """The connection, and one object for each part of the state, created on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        #: of the server that the last connection was made to
        self.run_id = ""
        super().__init__(settings, redis_connect_func=self._connected)

    def _connected(self, connection: Any) -> None:
        """Look whether a new connection leads to another start of Redis, before it is used."""
        connection.on_connect()
        self.run_id = note_server(connection, self._settings.sources_by_id)

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        self.redis.close()
        self.progress.close()

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self, self._settings)

    @cached_property
    def batches(self) -> Batches:
        return Batches(self, self._settings, self.latest, self.memory)

    @cached_property
    def latest(self) -> Latest:
        return Latest(self)

    @cached_property
    def progress(self) -> Progress:
        return Progress(self._settings)

    @cached_property
    def memory(self) -> Memory:
        return Memory(self.redis)

    @cached_property
    def slow_calls(self) -> SlowCalls:
        return SlowCalls(self)

    @cached_property
    def leases(self) -> Leases:
        return Leases(self, self._settings.lease)

    @cached_property
    def reports(self) -> Reports:
        return Reports(self)

    @cached_property
    def feeds(self) -> Feeds:
        return Feeds(self, lambda: self.run_id)

    @cached_property
    def instances(self) -> Instances:
        return Instances(self)

    @cached_property
    def history(self) -> History:
        return History(self)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        return DeadLetters(self, self._settings, self.history)

    @cached_property
    def live(self) -> LiveStream:
        return LiveStream(self, self._settings)

    @cached_property
    def audit(self) -> AuditLog:
        return AuditLog(self)

    @cached_property
    def figures(self) -> FigureStore:
        return FigureStore(self)

    @cached_property
    def retention(self) -> Retention:
        return Retention(self, self._settings)
