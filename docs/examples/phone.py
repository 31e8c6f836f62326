"""Keep a copy of Odoo's records in SQLite, and up to date: what a mobile app does with the feed.

    ODOO_KEY=… python phone.py https://odoo.example.com records.db res.partner sale.order

The key belongs to a user in the group Webhook consumer. The copy holds the records that this user
may see. Run it as often as you like, and stop it at any time: a page and the place behind it are
saved together. It needs Python and nothing else. docs/protocol.md describes the calls.
"""

import json
import os
import sqlite3
import sys
import urllib.request

TABLES = """
    CREATE TABLE IF NOT EXISTS record (
        model TEXT, id INTEGER, content TEXT, start INTEGER, PRIMARY KEY (model, id)
    );
    CREATE TABLE IF NOT EXISTS place (name TEXT PRIMARY KEY, value);
"""


class Phone:
    """A copy of some models' records in a database file."""

    def __init__(self, url, key, path, models=(), limit=1000):
        self.url, self.key = url, key
        self.asked = {"models": list(models), "limit": limit}
        self.db = sqlite3.connect(path)
        self.db.executescript(TABLES)

    def sync(self):
        """Bring the copy up to date; return ``[("kept" or "gone", model, id)]``."""
        told = []
        if self.place("cursor") is None:
            told += self.start()
        while True:
            page = self.call("pull", last_event_id=self.place("cursor"), latest=True)
            if page.get("cursor_expired"):  # changes were deleted before they were read here
                told += self.start()
                continue
            with self.db:
                told += [self.apply(event) for event in page["events"]]
                self.put(cursor=page["last_id"])
            if not page["has_more"]:
                return told

    def start(self):
        """Read all records, and drop those that are not among them; go on where this stopped."""
        told = []
        if self.place("after") is None:
            with self.db:
                self.put(start=(self.place("start") or 0) + 1, cursor=None)
        while True:
            after = self.place("after")
            page = self.call("bootstrap", **({"after": after} if after else {}))
            with self.db:
                told += [self.apply(event) for event in page["events"]]
                self.put(after=page["after"])
                if not page["has_more"]:
                    # What was deleted, or may no longer be read, did not come again.
                    old = self.db.execute(
                        "DELETE FROM record WHERE start < ? RETURNING model, id",
                        [self.place("start")],
                    )
                    told += [("gone", *record) for record in old]
                    self.put(cursor=page["last_id"])
                    return told

    def apply(self, event):
        """Store the values of an event, or drop its record."""
        record = event["model"], event["record_id"]
        if event["event"] == "unlink":  # deleted, or gone for this user
            self.db.execute("DELETE FROM record WHERE model = ? AND id = ?", record)
            return "gone", *record
        values = event["payload"] or {}
        metadata = values.pop("_metadata", {})
        if metadata.keys() & {"reduced_to", "erased_fields"}:  # not all values are there
            values = {**self.values(*record), **values}
        self.db.execute(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)",
            [*record, json.dumps(values), self.place("start")],
        )
        return "kept", *record

    def values(self, model, record_id):
        """Return the values of a record as they are kept here."""
        found = self.db.execute(
            "SELECT content FROM record WHERE model = ? AND id = ?", [model, record_id]
        ).fetchone()
        return json.loads(found[0]) if found else {}

    def place(self, name):
        found = self.db.execute("SELECT value FROM place WHERE name = ?", [name]).fetchone()
        return found and found[0]

    def put(self, **places):
        self.db.executemany("INSERT OR REPLACE INTO place VALUES (?, ?)", places.items())

    def call(self, name, **parameters):
        """Call the feed, and return its answer."""
        request = urllib.request.Request(  # noqa: S310  # the address is the user's own
            f"{self.url}/api/webhooks/{name}",
            json.dumps({**self.asked, **parameters}).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return json.load(response)


if __name__ == "__main__":
    url, path, *models = sys.argv[1:]
    for change in Phone(url, os.environ["ODOO_KEY"], path, models).sync():
        print(*change)
