"""The examples in the documents work when they are pasted."""

import re
import sqlite3
from contextlib import closing

import pytest
from bridgecore.accepting.authentication import Authenticator
from bridgecore.config.databases import Source
from bridgecore.events import Event, parse_push
from bridgecore.handling.registry import load_handlers

from tests.support import REPOSITORY

DOCS = REPOSITORY / "docs"
HANDLERS = (DOCS / "handlers.md").read_text()
PUSH = (DOCS / "protocol.md").read_text().partition("A complete event")[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def event(here) -> Event:
    """The example of an event, pushed without its source."""
    example = re.search(r"```json\n(.*?)```", PUSH, re.S)[1]
    (here / "event.json").write_text(example)
    (event,) = parse_push(example.encode(), "source")
    return event


def test_the_handlers_take_events_and_the_second_time_changes_nothing(here, event):
    for block in re.findall(r"```python\n(.*?)```", HANDLERS, re.S):
        (here / re.match(r"# (\w+\.py)\n", block)[1]).write_text(block)
    registry = load_handlers(["my_handlers", "once_handlers"])
    names = ["my_handlers.order_changed", "my_handlers.index", "once_handlers.count_order"]
    by_name = {handler.name: handler for handler in registry if handler.name in names}
    for handler in [by_name[name] for name in names] * 2:
        handler(event)
    with closing(sqlite3.connect("orders.db")) as db:
        seen = db.execute("SELECT * FROM seen").fetchall()
    assert seen == [(event.idempotency_key, 99.5)]


def test_the_signature_is_valid(event, monkeypatch):
    monkeypatch.setenv("SIGNING_SECRET", "whsec_" + "b3RoZXI" * 8)
    signing, sending, _ = re.search(r"```python\n(.*?)```", PUSH, re.S)[1].partition("\nurl = ")
    assert sending
    signed: dict = {}
    exec(signing, signed)  # noqa: S102  # our own text
    source = Source(
        id="source", url="http://odoo", feed_key="key", signing_secrets=[signed["secret"]]
    )
    assert Authenticator([source]).source_of(signed["headers"], signed["body"]) == source
