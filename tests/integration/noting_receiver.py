"""A receiver whose handlers note in a file when they begin and end; no kill can take that back."""

import contextlib
import json
from pathlib import Path

import requests

from devstack.receiver import Receiver
from tests.integration.fake_odoo import Feed
from tests.integration.order import event_id_of


class NotingReceiver(Receiver):
    """A receiver with one source, `feed`, and the handlers of `noting_handlers`.

    Parameters:
        folder: where the file of notes is.
        settings: without `BRIDGECORE_`.
    """

    def __init__(self, redis_url: str, feed: Feed, folder: Path, **settings: str) -> None:
        self.notes = folder / "notes"
        self.notes.touch()
        given = {
            "SOURCES": json.dumps([feed.setting()]),
            "HANDLERS": "tests.integration.noting_handlers",
            "WAKE_INTERVAL": "0.5",
            "FEED_BACKOFF_MAX": "1",
            "LEASE": "1",
            **settings,
        }
        variables = {f"BRIDGECORE_{name}": value for name, value in given.items()}
        super().__init__(redis_url, {**variables, "NOTES": str(self.notes)})

    def accepts(self, body: object) -> bool:
        """Push a body, and return whether the receiver accepted it."""
        with contextlib.suppress(requests.RequestException):
            headers = {"X-API-Key": "token"}
            return requests.post(self.push_url, json=body, headers=headers, timeout=10).ok
        return False

    def noted(self, word: str) -> list[int]:
        """Ids of the events whose handler began (`begin`) or ended (`end`), in that order."""
        lines = [line.split() for line in self.notes.read_text().splitlines()]
        whole = [line for line in lines if len(line) == 3]  # the last one may be being written
        return [event_id_of(key) for noted, key, _pid in whole if noted == word]
