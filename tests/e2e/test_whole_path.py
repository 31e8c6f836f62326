"""A change in Odoo travels to a handler and comes back as a confirmation."""

from collections import Counter
from typing import Any

import pytest
import requests
from redis import Redis

from devstack.json2 import OdooCallError
from devstack.stack import Stack
from tests.e2e.handlers import EFFECTS
from tests.support import eventually

#: seconds; far more than is ever needed
PATIENCE = 60

_EVENTS = """
    SELECT id, model, record_id, event, is_processed FROM update_webhook
     WHERE (model, record_id) = (%s, %s) ORDER BY id
"""


def events_of(stack: Stack, model: str, record_id: int) -> list[tuple[Any, ...]]:
    return stack.sql(_EVENTS, model, record_id)


def journey_of(stack: Stack, model: str, record_id: int) -> list[dict[str, Any]]:
    """What the receiver knows of a record's events, in the order in which they were handled."""
    listed = [
        event
        for event in stack.receiver.events()
        if (event["model"], event["record_id"]) == (model, record_id)
    ]
    return sorted(listed, key=lambda event: str(event["handled_at"]))


def delivery_states(stack: Stack, model: str, record_id: int) -> list[str]:
    query = "SELECT state FROM webhook_delivery WHERE (model, record_id) = (%s, %s)"
    return [state for (state,) in stack.sql(query, model, record_id)]


def all_confirmed(stack: Stack, model: str, record_id: int) -> list[tuple[Any, ...]]:
    """The events of a record, once Odoo knows that all were handled."""

    def look() -> list[tuple[Any, ...]]:
        stack.check()
        rows = events_of(stack, model, record_id)
        return rows if rows and all(processed for *_, processed in rows) else []

    return eventually(look, PATIENCE)


def effects(stack: Stack) -> Counter[str]:
    redis = Redis.from_url(stack.receiver.redis_url, decode_responses=True)
    return Counter(redis.lrange(EFFECTS, 0, -1))


def test_a_sample_is_answered_and_has_no_effect(stack: Stack) -> None:
    customer = stack.api.create("res.partner", name="Sample")
    all_confirmed(stack, "res.partner", customer)
    events, handled = stack.sql("SELECT count(*) FROM update_webhook"), effects(stack)
    (subscriber,) = stack.api.call("webhook.subscriber", "search", domain=[])
    partners = [("model_name", "=", "res.partner")]
    (config,) = stack.api.call("webhook.config", "search", domain=partners)
    for event in ("create", "write", "unlink"):
        sample = stack.api.create(
            "webhook.sample",
            subscriber_id=subscriber,
            config_id=config,
            record_id=customer,
            event=event,
        )
        stack.api.call("webhook.sample", "action_send", [sample])
        (told,) = stack.api.call(
            "webhook.sample", "read", [sample], fields=["status", "response", "request_body"]
        )
        assert (told["status"], '"accepted":0' in told["response"]) == (200, True)
        assert '"name": "Sample"' in told["request_body"]
    assert stack.sql("SELECT count(*) FROM update_webhook") == events
    assert effects(stack) == handled
    assert len(journey_of(stack, "res.partner", customer)) == 1


def test_a_critical_change_is_pushed_handled_and_confirmed(stack: Stack) -> None:
    customer = stack.api.create("res.partner", name="Ada")
    order = stack.api.create("sale.order", partner_id=customer)
    stack.api.write("sale.order", order, client_order_ref="PO-1")

    rows = all_confirmed(stack, "sale.order", order)
    assert [event for _, _, _, event, _ in rows] == ["create", "write"]
    journey = journey_of(stack, "sale.order", order)
    assert [event["event_id"] for event in journey] == [row[0] for row in rows]
    # what the receiver has pulled and confirmed before is not pushed any more
    settled = {"delivered", "cancelled"}
    eventually(lambda: set(delivery_states(stack, "sale.order", order)) <= settled, PATIENCE)
    if {event["via"] for event in journey} == {"push"}:
        assert delivery_states(stack, "sale.order", order) == ["delivered", "delivered"]


def test_other_changes_are_pulled_handled_and_confirmed(stack: Stack) -> None:
    partner = stack.api.create("res.partner", name="Grace")
    stack.api.write("res.partner", partner, city="Rome")
    stack.api.unlink("res.partner", partner)

    rows = all_confirmed(stack, "res.partner", partner)
    assert [event for _, _, _, event, _ in rows] == ["create", "write", "unlink"]
    journey = journey_of(stack, "res.partner", partner)
    assert [event["event_id"] for event in journey] == [row[0] for row in rows]
    assert {event["via"] for event in journey} == {"pull"}
    assert delivery_states(stack, "res.partner", partner) == []


def test_a_change_that_fails_leaves_no_event(stack: Stack) -> None:
    before = stack.sql("SELECT count(*) FROM update_webhook WHERE model = 'sale.order'")
    with pytest.raises(OdooCallError):
        stack.api.create("sale.order", partner_id=2**31 - 1)
    assert stack.sql("SELECT count(*) FROM update_webhook WHERE model = 'sale.order'") == before


def test_what_happens_while_the_receiver_is_down_arrives_later(stack: Stack) -> None:
    partner = stack.api.create("res.partner", name="Edsger")
    order = stack.api.create("sale.order", partner_id=partner)
    all_confirmed(stack, "sale.order", order)

    stack.receiver.stop()
    stack.api.write("sale.order", order, client_order_ref="PO-2")
    stack.api.write("sale.order", order, client_order_ref="PO-3")
    eventually(
        lambda: stack.sql(
            "SELECT id FROM webhook_delivery WHERE last_error IS NOT NULL AND state = 'pending'"
        ),
        PATIENCE,
    )
    stack.receiver.start()

    rows = all_confirmed(stack, "sale.order", order)
    assert [event for _, _, _, event, _ in rows] == ["create", "write", "write"]
    journey = journey_of(stack, "sale.order", order)
    assert [event["event_id"] for event in journey] == [row[0] for row in rows]


def test_an_event_that_is_pushed_and_pulled_has_one_effect(stack: Stack) -> None:
    partner = stack.api.create("res.partner", name="Barbara")
    order = stack.api.create("sale.order", partner_id=partner)
    ((pushed, *_),) = all_confirmed(stack, "sale.order", order)
    stack.api.write("res.partner", partner, city="Oslo")
    # the feed is read in order: once this has been pulled, the order has been pulled before
    pulled = all_confirmed(stack, "res.partner", partner)[-1][0]

    counted = effects(stack)
    for event_id in (pushed, pulled):
        assert [times for key, times in counted.items() if f"/{event_id}@" in key] == [1]


def test_a_configuration_that_a_script_changes_takes_effect_in_the_running_server(
    stack: Stack,
) -> None:
    switch = (
        "env['webhook.config'].with_context(active_test=False)"
        ".search([('model_name', '=', 'res.partner')]).active = on\n"
        "env.cr.commit()"
    )
    counts = []
    for on in (False, True):
        stack.odoo.run_script(stack.database, switch, on=on)
        # several, so that each of the server's processes gets one
        partners = [stack.api.create("res.partner", name=f"P{i}") for i in range(6)]
        counts.append(sum(bool(events_of(stack, "res.partner", p)) for p in partners))
    assert counts == [0, 6]


def test_the_receiver_refuses_strangers(stack: Stack) -> None:
    answer = requests.post(stack.receiver.push_url, json={"event_id": 1}, timeout=10)
    assert (answer.status_code, answer.json()["success"]) == (401, False)
