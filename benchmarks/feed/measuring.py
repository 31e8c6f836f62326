"""Times calls of the feed and the query that they are compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from devstack import DevstackError
from devstack.feed_server import FeedClient, FeedServer

PAGE = 1000

#: The page as PostgreSQL alone would return it
_AS_JSON = """
    SELECT json_agg(event)::text FROM (
        SELECT json_build_object(
                   'id', e.id, 'model', e.model, 'record_id', e.record_id, 'event', e.event,
                   'timestamp', to_char(e.timestamp, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'priority', e.priority, 'category', e.category, 'payload', e.payload::json,
                   'changed_fields', e.changed_fields::json, 'old_values', e.old_values::json,
                   'user_id', e.user_id, 'user_name', partner.name, 'company_id', e.company_id
               ) AS event
          FROM webhook_feed_position position
          JOIN update_webhook e ON e.id = position.event_id
          LEFT JOIN res_users users ON users.id = e.user_id
          LEFT JOIN res_partner partner ON partner.id = users.partner_id
         WHERE position.id > %s ORDER BY position.id LIMIT %s
    ) page
"""


def milliseconds(action: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


class Measuring:
    """Calls the feed of one server."""

    def __init__(self, feed: FeedServer, cursor: Any, events: int) -> None:
        self.client: FeedClient = feed.client()
        #: Whose user follows record rules
        self.phone: FeedClient = feed.client("consumer")
        self.cursor = cursor
        self.events = events
        cursor.execute("SELECT min(id) FROM webhook_feed_position")
        ((self.first,),) = cursor.fetchall()

    @property
    def places(self) -> dict[str, int]:
        """Where in the feed pages are read."""
        return {
            "start": self.first - 1,
            "middle": self.first + self.events // 2,
            "end": self.first + self.events - PAGE - 1,
        }

    def page(self, place: int, limit: int = PAGE) -> float:
        """A page over HTTP; in bytes, as parsing them is the client's business."""
        url, body = f"{self.client.url}/pull", {"last_event_id": place, "limit": limit}

        def pull() -> None:
            response = self.client.session.post(url, json=body, timeout=60)
            if f'"count":{limit},' not in response.text[:300]:
                raise DevstackError(f"Not a full page: {response.text[:300]}")

        return milliseconds(pull)

    def contacts(self, client: FeedClient, place: int) -> float:
        """The events of a full page that are about contacts, and that the client's user may see."""
        body = {"last_event_id": place, "limit": PAGE, "models": ["res.partner"]}

        def pull() -> None:
            response = client.session.post(f"{client.url}/pull", json=body, timeout=60)
            if '"has_more":true' not in response.text[:300]:
                raise DevstackError(f"Not a full page: {response.text[:300]}")

        return milliseconds(pull)

    def records(self, client: FeedClient) -> float:
        """A page of contacts as they are now; not the first one, which takes the cursor."""
        body = {"models": ["res.partner"], "limit": PAGE}
        after = client.call("bootstrap", {**body, "limit": 1})["after"]

        def read() -> None:
            response = client.session.post(
                f"{client.url}/bootstrap", json={**body, "after": after}, timeout=60
            )
            if f'"count":{PAGE},' not in response.text[:300]:
                raise DevstackError(f"Not a full page: {response.text[:300]}")

        return milliseconds(read)

    def page_as_json(self, place: int) -> float:
        """The same rows from PostgreSQL."""

        def query() -> None:
            self.cursor.execute(_AS_JSON, [place, PAGE])
            self.cursor.fetchall()

        return milliseconds(query)

    def follow(self, pages: int) -> float:
        """Events per second, for a reader that follows the cursor and parses what it gets."""
        place = self.places["middle"]

        def read() -> None:
            nonlocal place
            for _page in range(pages):
                place = self.client.call("pull", {"last_event_id": place, "limit": PAGE})["last_id"]

        return pages * PAGE / milliseconds(read) * 1000

    def get(self, path: str) -> float:
        return milliseconds(lambda: self.client.call(path, get=True))

    def confirm(self, number: int) -> float:
        """Confirm a thousand events that are not confirmed yet."""
        self.cursor.execute(
            "SELECT event_id FROM webhook_feed_position WHERE id > %s ORDER BY id LIMIT %s",
            [self.first + self.events // 3 + number * PAGE, PAGE],
        )
        ids: Sequence[int] = [event_id for (event_id,) in self.cursor.fetchall()]

        def mark() -> None:
            answer = self.client.call("mark-processed", {"event_ids": ids})
            if answer["processed_count"] != PAGE:
                raise DevstackError(f"Not all were confirmed: {answer}")

        return milliseconds(mark)


#: Runs inside Odoo; the rows are as old as retention wants them, and a batch is rolled back
RETENTION = """
import time
events = env["update.webhook"]
env["ir.config_parameter"].set_param("auto_webhook_odoo.archive_days", "10")
env["ir.config_parameter"].set_param("auto_webhook_odoo.delete_days", "20")
env.cr.commit()
result = {}
for name in ("_gc_archive", "_gc_delete"):
    times = []
    for _batch in range(batches):
        started = time.perf_counter()
        done, _left = getattr(events, name)()
        env.cr.commit()
        times.append(time.perf_counter() - started)
    result[name] = {"rows": done, "milliseconds": [1000 * t for t in times]}
"""
