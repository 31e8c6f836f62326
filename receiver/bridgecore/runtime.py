"""Creates the parts of the receiver and connects them, once in each process."""

from contextlib import suppress
from functools import cache, cached_property

from celery import Celery
from redis.exceptions import RedisError

from bridgecore.accepting.acceptance import Acceptance
from bridgecore.accepting.instances import Instances
from bridgecore.config.settings import Settings, load_settings
from bridgecore.copying import Copying
from bridgecore.errors import UnknownSource, UnknownSystem
from bridgecore.handling.call_watch import CallWatch
from bridgecore.handling.calling import Caller
from bridgecore.handling.dead_letters import DeadLetterQueue
from bridgecore.handling.registry import Registry, load_handlers
from bridgecore.handling.runner import Runner
from bridgecore.odoo.api import OdooApi
from bridgecore.odoo.confirming import Confirming
from bridgecore.odoo.feed import OdooFeed
from bridgecore.odoo.health import OdooHealth
from bridgecore.odoo.pulling import Pulling
from bridgecore.queue.celery_app import create_celery
from bridgecore.queue.messages import Messages
from bridgecore.storage import Storage
from bridgecore.storage.lease_keeper import LeaseKeeper


class Runtime:
    """The parts of the receiver. Each is created when it is first used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: name of the worker that this process belongs to (`high`, `default`), if it is one
        self.worker = ""
        self._feeds: dict[str, OdooFeed] = {}

    @cached_property
    def celery(self) -> Celery:
        app = create_celery(self.settings)
        app.make_room = self.make_room
        return app

    def keep_room(self) -> None:
        """If Redis has little memory left, forget some of what is only kept for reading.

        This needs no message: a Redis that is full takes none.
        """
        with suppress(RedisError):
            if self.storage.memory.is_short():
                self.make_room()

    def make_room(self) -> None:
        """Forget some of what is only kept for reading."""
        for source in self.settings.sources_by_id:
            surplus = self.storage.dead_letters.surplus(source)
            self.storage.dead_letters.discard(source, surplus)
            self.storage.retention.make_room(source)

    @cached_property
    def storage(self) -> Storage:
        return Storage(self.settings)

    @cached_property
    def messages(self) -> Messages:
        return Messages(self.celery)

    @cached_property
    def registry(self) -> Registry:
        return load_handlers(self.settings.handlers)

    @cached_property
    def keeper(self) -> LeaseKeeper:
        return LeaseKeeper(self.storage.leases, self.settings.lease)

    @cached_property
    def acceptance(self) -> Acceptance:
        return Acceptance(self.settings, self.storage, self.messages)

    @cached_property
    def instances(self) -> Instances:
        return Instances(self.storage)

    @cached_property
    def runner(self) -> Runner:
        slow_after = min(self.settings.slow_handler, self.settings.stuck_after)
        watch = CallWatch(self.storage.slow_calls, self.worker, slow_after)
        caller = Caller(self.settings, self.storage, self.registry, self.keeper, watch)
        return Runner(self.settings, self.storage, self.messages, caller)

    @cached_property
    def pulling(self) -> Pulling:
        return Pulling(
            self.settings, self.storage, self.acceptance, self.instances, self.keeper, self.feed
        )

    @cached_property
    def confirming(self) -> Confirming:
        return Confirming(self.storage, self.messages, self.keeper, self.feed)

    @cached_property
    def odoo_health(self) -> OdooHealth:
        return OdooHealth(self.settings, self.storage)

    @cached_property
    def dead_letters(self) -> DeadLetterQueue:
        return DeadLetterQueue(self.storage, self.messages)

    def feed(self, source: str) -> OdooFeed:
        """Return the client for the feed of a source. It keeps its connection between calls."""
        if source not in self._feeds:
            known = self.settings.sources_by_id.get(source)
            if known is None:
                raise UnknownSource(f"BRIDGECORE_SOURCES has no source {source} any more.")
            self._feeds[source] = OdooFeed(known, self.settings.feed_timeout)
        return self._feeds[source]

    def copying(self, source: str, target: str, model: str) -> Copying:
        """Return the part that copies records of a model between two systems.

        Parameters:
            source, target: names of systems in BRIDGECORE_SYSTEMS.

        Raises:
            UnknownSystem: BRIDGECORE_SYSTEMS has no such system.
        """
        return Copying(self._api(source), self._api(target), model)

    def _api(self, name: str) -> OdooApi:
        if name not in self.settings.systems_by_name:
            known = ", ".join(self.settings.systems_by_name) or "none"
            raise UnknownSystem(
                f"BRIDGECORE_SYSTEMS has no system with the name {name!r}; it has: {known}."
            )
        return OdooApi(self.settings.systems_by_name[name], self.settings.feed_timeout)


@cache
def runtime() -> Runtime:
    """Return the parts of this process, with the settings of its environment.

    Raises:
        SettingsError: a setting is wrong.
    """
    return Runtime(load_settings())
