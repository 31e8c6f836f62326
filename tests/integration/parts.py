"""The receiver's parts in this process, with real Redis and messages that are carried by hand."""

from collections import deque
from typing import Any
from uuid import uuid4

from bridgecore.accepting.acceptance import Receipt
from bridgecore.config.databases import Source
from bridgecore.config.settings import Settings
from bridgecore.errors import QueueUnavailable
from bridgecore.events import Event, parse_event
from bridgecore.handling.registry import Registry
from bridgecore.runtime import Runtime
from bridgecore.storage.history import Filter
from bridgecore.storage.inbox import Submission

from tests.integration.fake_odoo import FakeOdoo, wire


class MessagesByHand:
    """Keeps messages until a test delivers them; can be away, like a broker."""

    def __init__(self) -> None:
        self.sent: deque[tuple[str, Any]] = deque()
        self.delays: list[float] = []
        self.away = False

    def handle(self, source, records, queue="", delay=None):
        if delay is not None:
            self.delays.append(delay)
        self._send("handle", (source, list(records)))

    def confirm(self, source):
        self._send("confirm", source)

    def pull(self, source, reconcile=False, force=False, expires=None):
        self._send("pull", (source, reconcile, force))

    def _send(self, kind, content):
        if self.away:
            raise QueueUnavailable
        self.sent.append((kind, content))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.sent]


class Parts(Runtime):
    """One source's receiver without API and worker."""

    def __init__(self, redis_url: str, odoo: FakeOdoo, **settings: Any) -> None:
        self.source = str(uuid4())
        source = Source(**odoo.feed(self.source).setting())
        defaults = {
            "retry_base": 0,
            "max_attempts": 3,
            "feed_timeout": (1, 1),
            "admin_token": "admin",
        }
        super().__init__(
            Settings(redis_url=redis_url, sources=[source], **{**defaults, **settings})
        )
        self.messages: Any = MessagesByHand()
        self.registry: Any = Registry()
        self.odoo = odoo.feed(self.source)
        #: idempotency keys that handlers were called with, in order
        self.effects: list[str] = []

    def read_feed(self) -> None:
        """Have the receiver know the source, so that it accepts pushes without pulling first."""
        feeds = self.storage.feeds
        feeds.note_page(feeds.begin_pull(self.source), 0, is_end=True)

    def event(self, event_id: int = 1, record_id: int = 1, **facts: Any) -> Event:
        return parse_event(self.wire(event_id, record_id, **facts), self.source)

    def wire(self, event_id: int = 1, record_id: int = 1, **facts: Any) -> dict[str, Any]:
        """Return an event as the feed has it."""
        return wire(event_id, record_id, **facts)

    def push(self, *events: Event) -> Receipt:
        (result,) = self.acceptance.accept([Submission(self.source, events, "push")])
        if isinstance(result, Exception):
            raise result
        return result

    def deliver(self, most: int = 1000) -> None:
        """Deliver the messages, and those that this causes, until there are none."""
        while self.messages.sent:
            kind, content = self.messages.sent.popleft()
            if kind == "handle":
                self.runner.run(*content)
            else:
                self.confirming.confirm(content)
            most -= 1
            assert most, "messages go in a circle"

    def states(self) -> dict[int, str]:
        """The state of each event by its id."""
        found, _next = self.storage.history.find([self.source], Filter(), 1000)
        return {known.event.event_id: known.fields["state"] for known in found}

    def key(self, name: str) -> str:
        return f"bridgecore:{{{self.source}}}:{name}"

    def record_effects(self) -> None:
        self.registry.on()(self._record)

    def _record(self, event: Event) -> None:
        self.effects.append(event.idempotency_key)
