"""The receiver understands the answers of Odoo's feed that the vectors show."""

import json
from io import BytesIO
from typing import Any

import pytest
import requests
from bridgecore.config.settings import Source
from bridgecore.errors import FeedError, FeedRefused
from bridgecore.events import EventName, parse_event
from bridgecore.odoo.feed import OdooFeed
from urllib3 import HTTPResponse

from tests.support import vectors

SOURCE = Source(id="8f7e", url="http://odoo.invalid", feed_key="feed-key")
ERRORS = {400: FeedError, 401: FeedRefused}
CALLS = vectors("feed")["calls"]
#: For what a vector leaves open
VALUES = {
    "<cursor>": 1,
    "<event>": 4712,
    "<end>": 2,
    "id": 4711,
    "record_id": 7,
    "user_id": 2,
    "user_name": "Ada",
    "timestamp": "2026-01-31T12:00:00.123456Z",
    "source": SOURCE.id,
    "instance": "3f1c09ab77de",
    "message": "Something to read.",
}


def filled(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: filled(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    return VALUES[key] if value == "*" else VALUES.get(value, value)


class Canned(requests.adapters.BaseAdapter):
    """Answers every request with the same."""

    def __init__(self, status: int, answer: Any) -> None:
        super().__init__()
        self.response = requests.Response()
        self.response.status_code = status
        body = BytesIO(json.dumps(answer).encode())
        self.response.raw = HTTPResponse(body, preload_content=False)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        self.response.request = request
        return self.response

    def close(self) -> None:
        pass


@pytest.mark.parametrize("vector", CALLS, ids=lambda vector: vector["name"])
def test_answers_of_the_feed(vector: dict[str, Any]) -> None:
    answer, body = filled(vector["answer"]), filled(vector["body"])
    feed = OdooFeed(SOURCE, (1, 1))
    feed._connection._session.mount("http://", Canned(vector["status"], answer))
    if expected := ERRORS.get(vector["status"]):
        with pytest.raises(expected):
            feed.pull(0, 100, True)
    elif vector["call"] == "mark-processed":
        done = [EventName(event_id) for event_id in body["event_ids"]]
        assert feed.mark_processed(done, {}) == answer["unknown"]
    else:
        page = feed.pull(body["last_event_id"], body.get("limit", 100), True)
        assert page.last_id == answer["last_id"]
        assert page.has_more == answer["has_more"]
        assert page.cursor_expired == answer.get("cursor_expired", False)
        assert page.instance == answer["instance"]
        events = [parse_event(event, SOURCE.id) for event in page.events]
        assert [event.payload for event in events] == [e["payload"] for e in answer["events"]]
