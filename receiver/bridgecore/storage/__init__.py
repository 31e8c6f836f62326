"""The receiver's state in Redis; the one package that knows its keys.

All keys of a source start with `bridgecore:{<source>}`; its hash tag keeps them on one node
of a cluster. An event's key is `<event id>@<timestamp>`, a record's `<model>:<id>`.

| key                | type   | holds                                                         |
| ------------------ | ------ | ------------------------------------------------------------- |
| `event:<event>`    | hash   | state, times, attempts, replays, handlers done: its memory    |
| `body:<event>`     | string | the event as JSON: its content                                |
| `events`           | zset   | `<event> <record> <name>` by acceptance, for listing          |
| `inbox:<record>`   | list   | queued events of a record, in order                           |
| `due`              | zset   | records with queued events, by the time to look at them       |
| `queued`           | zset   | queued events, by the time of their commit in Odoo            |
| `lease:<name>`     | string | token of the owner of a record, of `sync` or of `reports`     |
| `reports`          | zset   | events whose outcome Odoo is to be told; at odd places failed |
| `sequence`         | number | the order of `reports`                                        |
| `dead`             | zset   | dead letters, by the time at which they were given up         |
| `kept`             | zset   | events that may be forgotten and have content, by confirmation|
| `remembered`       | zset   | events whose content has gone, by confirmation                |
| `latest:<record>`  | string | its last event's timestamp and name, and its values as JSON   |
| `records`          | zset   | these records, by their last event                            |
| `sync:<model>`     | hash   | sync state: how far the model's events have been handled      |
| `models`           | set    | models with a sync state                                      |
| `feed`             | hash   | cursor of the feed, and how its Odoo is                       |
| `figures`          | hash   | counters for monitoring                                       |
| `stream`           | stream | the newest handled events                                     |

`bridgecore:audit`, a stream, is the audit log of all sources; `bridgecore:refusals`, a hash,
counts the pushes that were refused.

States: queued → done | dead; done → confirmed; dead → queued, if it is offered again or replayed;
dead → discarded; discarded → queued, if it is offered again. A memory says `done` for ever: what is
`kept` or `remembered` besides is confirmed. Changes of several keys are Lua scripts, so that a
crash leaves all or nothing. Times are Redis' own, in microseconds.
"""

from functools import cached_property

from bridgecore.config.settings import Settings
from bridgecore.storage.audit import AuditLog
from bridgecore.storage.batches import Batches
from bridgecore.storage.connection import Connection
from bridgecore.storage.dead_letters import DeadLetters
from bridgecore.storage.feeds import Feeds
from bridgecore.storage.figures import FigureStore
from bridgecore.storage.history import History
from bridgecore.storage.inbox import Inbox
from bridgecore.storage.latest import Latest
from bridgecore.storage.leases import Leases
from bridgecore.storage.live import LiveStream
from bridgecore.storage.progress import Progress
from bridgecore.storage.reports import Reports
from bridgecore.storage.retention import Retention


class Storage(Connection):
    """The connection, and the parts of the state; each is made when it is first used."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._settings = settings

    def close(self) -> None:
        """Close its connections; what uses it again opens new ones."""
        self.redis.close()
        self.progress.close()

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self, self._settings)

    @cached_property
    def batches(self) -> Batches:
        return Batches(self, self._settings, self.latest)

    @cached_property
    def latest(self) -> Latest:
        return Latest(self)

    @cached_property
    def progress(self) -> Progress:
        return Progress(self._settings)

    @cached_property
    def leases(self) -> Leases:
        return Leases(self, self._settings.lease)

    @cached_property
    def reports(self) -> Reports:
        return Reports(self)

    @cached_property
    def feeds(self) -> Feeds:
        return Feeds(self)

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
