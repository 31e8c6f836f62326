"""Several receivers of one Odoo, and confirmations that come after a backup was restored."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from redis import Redis

from devstack.receiver import Receiver
from devstack.redis_server import redis_server
from devstack.stack import Stack
from tests.e2e.endpoint import Endpoint
from tests.e2e.handlers import EFFECTS, FAILING
from tests.e2e.test_whole_path import PATIENCE
from tests.support import eventually

_SECOND_RECEIVER = """
user = env["res.users"].create({
    "name": "Second receiver",
    "login": "second",
    "group_ids": [(6, 0, [env.ref("base.group_user").id,
                          env.ref("auto_webhook_odoo.group_webhook_receiver").id])],
})
third = env["webhook.subscriber"].create({
    "name": "Third party", "url": url, "allow_private_network": True,
    "confirm_on_delivery": True, "state": "enabled",
})
env["webhook.config"].search([("model_name", "=", "sale.order")]).subscriber_ids += third
env.cr.commit()
result = env["res.users.apikeys"].with_user(user).sudo()._generate("webhook", "second", None)
env.cr.commit()
"""

#: Gives the next event the id that a lost event had.
_REUSE = """
env.cr.execute("SELECT setval('update_webhook_id_seq', %s, FALSE)", [event_id])
tag = env["res.partner"].create({"name": "After the restore"})
env.cr.commit()
event = env["update.webhook"].search([("record_id", "=", tag.id), ("model", "=", "res.partner")])
assert event.id == event_id
result = tag.id
"""

_OLD = "2026-01-31T12:00:00.123456Z"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = {"BRIDGECORE_MAX_ATTEMPTS": "1"}
    with Stack(
        workers=2, handlers="tests.e2e.handlers", pull_interval=1, receiver_settings=settings
    ) as stack:
        yield stack
        stack.server.stop()  # a test has started it anew


def handled_by(receiver: Receiver) -> list[tuple[int, str]]:
    """Return ids and times of the events that the handlers of a receiver have seen."""
    redis = Redis.from_url(receiver.redis_url, decode_responses=True)
    keys: list[str] = redis.lrange(EFFECTS, 0, -1)
    names = [key.rpartition("/")[2].partition("@") for key in keys]
    return [(int(event_id), timestamp) for event_id, _at, timestamp in names]


def push_lost_event(stack: Stack, event_id: int) -> None:
    """Push an event, as Odoo did before the restore in which it lost the event."""
    (source,) = json.loads(stack.receiver.settings["BRIDGECORE_SOURCES"])
    event = {
        "event_id": event_id,
        "source": stack.source,
        "model": "res.partner",
        "record_id": 1,
        "event": "write",
        "timestamp": _OLD,
        "payload": {"name": "Before the restore"},
    }
    body = json.dumps(event).encode()
    message_id, now = f"lost_{event_id}", str(int(time.time()))
    key = base64.b64decode(source["signing_secrets"][0].removeprefix("whsec_"))
    mac = hmac.digest(key, f"{message_id}.{now}.".encode() + body, "sha256")
    answer = requests.post(
        stack.receiver.push_url,
        body,
        headers={
            "webhook-id": message_id,
            "webhook-timestamp": now,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
            "Content-Type": "application/json",
        },
        timeout=10,
    )
    assert answer.json()["accepted"] == 1, answer.text


def next_event_id(stack: Stack) -> int:
    [(last,)] = stack.sql("SELECT max(id) FROM update_webhook")
    return int(last) + 10


def is_processed(stack: Stack, event_ids: list[int]) -> bool:
    query = "SELECT bool_and(is_processed) FROM update_webhook WHERE id = ANY(%s)"
    return bool(stack.sql(query, event_ids)[0][0])


def test_two_receivers_and_a_third_party_get_all_events(stack: Stack) -> None:
    with redis_server() as redis_url, closing(Endpoint()) as endpoint:
        second = Receiver(redis_url)
        sources: list[dict[str, Any]] = json.loads(stack.receiver.settings["BRIDGECORE_SOURCES"])
        key = stack.odoo.run_script(stack.database, _SECOND_RECEIVER, url=endpoint.url)
        second.settings = {
            **stack.receiver.settings,
            "BRIDGECORE_SOURCES": json.dumps([{**sources[0], "feed_key": key}]),
        }
        try:
            customer = stack.api.create("res.partner", name="Ada")
            is_second = [("user_id.login", "=", "second")]
            (consumer,) = stack.api.search_read("webhook.consumer", is_second, ["unconfirmed"])
            assert consumer["unconfirmed"] == 1  # at the first look
            second.start("worker", "beat")
            made = [stack.api.create("sale.order", partner_id=customer) for _ in range(30)]
            rows = stack.sql(
                "SELECT id FROM update_webhook WHERE model = 'sale.order' AND record_id = ANY(%s)",
                made,
            )
            wanted = {event_id for (event_id,) in rows}
            assert len(wanted) == 30
            for receiver in (stack.receiver, second):
                eventually(
                    lambda receiver=receiver: (
                        wanted <= {event_id for event_id, _time in handled_by(receiver)}
                    ),
                    PATIENCE,
                )
            eventually(lambda: is_processed(stack, list(wanted)), PATIENCE)
            assert wanted <= {event["event_id"] for event in endpoint.accepted}
            assert stack.sql("SELECT count(*) FROM webhook_confirmation") == [(0,)]
        finally:
            second.stop()
    stack.api.call(
        "webhook.consumer",
        "write",
        stack.api.call("webhook.consumer", "search", domain=[("user_id.login", "=", "second")]),
        vals={"active": False},
    )


def test_a_report_from_before_a_restore_confirms_nothing_else(stack: Stack) -> None:
    """The outcome waits at the receiver while Odoo is away, and Odoo gives its id to another."""
    event_id = next_event_id(stack)
    stack.server.stop()
    push_lost_event(stack, event_id)
    eventually(lambda: (event_id, _OLD) in handled_by(stack.receiver), PATIENCE)
    stack.odoo.run_script(stack.database, _REUSE, event_id=event_id)
    stack.server = stack.odoo.serve(
        stack.database, port=int(stack.api.url.rpartition(":")[2]), workers=2
    )
    eventually(lambda: is_processed(stack, [event_id]), PATIENCE)
    names = [name for name in handled_by(stack.receiver) if name[0] == event_id]
    assert len(names) == 2
    assert names[0] == (event_id, _OLD)
    assert names[1][1] > _OLD


def test_a_dead_letter_from_before_a_restore_confirms_nothing_else(stack: Stack) -> None:
    event_id = next_event_id(stack)
    redis = Redis.from_url(stack.receiver.redis_url)
    redis.set(FAILING, 1)
    push_lost_event(stack, event_id)
    admin = {"Authorization": f"Bearer {stack.receiver.admin_token}"}
    letters = f"{stack.receiver.url}/api/v1/dead-letters"
    eventually(
        lambda: requests.get(letters, headers=admin, timeout=10).json()["total"] == 1, PATIENCE
    )
    redis.delete(FAILING)
    stack.receiver.stop("worker")
    stack.odoo.run_script(stack.database, _REUSE, event_id=event_id)
    requests.post(
        f"{letters}/replay", headers=admin, json={"all": True}, timeout=10
    ).raise_for_status()
    stack.receiver.start("worker")
    eventually(lambda: is_processed(stack, [event_id]), PATIENCE)
    times = [timestamp for found, timestamp in handled_by(stack.receiver) if found == event_id]
    assert len(times) == 2
    assert _OLD in times
