"""What the receiver has confirmed through the feed is not pushed to it afterwards."""

from redis import Redis

from devstack.stack import Stack
from tests.e2e.handlers import EFFECTS
from tests.e2e.test_whole_path import PATIENCE, all_confirmed, delivery_states
from tests.support import eventually

#: Changes of the delivery date are not instant.
_INSTANT = """
config = env["webhook.config"].search([("model_name", "=", "sale.order")])
config.instant_field_ids = env["ir.model.fields"]._get("sale.order", "client_order_ref")
env.cr.commit()
"""


def handled(stack: Stack) -> list[int]:
    """The ids of the events that handlers have seen, in this order, since Redis was wiped last."""
    redis = Redis.from_url(stack.receiver.redis_url, decode_responses=True)
    keys: list[str] = redis.lrange(EFFECTS, 0, -1)
    return [int(key.rpartition("/")[2].partition("@")[0]) for key in keys]


def test_a_wiped_receiver_does_not_see_old_events_last(stack: Stack) -> None:
    """The push of an old event waits; the pull is faster, and the receiver then forgets all."""
    stack.odoo.run_script(stack.database, _INSTANT)
    customer = stack.api.create("res.partner", name="Ada")
    all_confirmed(stack, "res.partner", customer)
    redis = Redis.from_url(stack.receiver.redis_url)
    redis.delete(EFFECTS)

    stack.receiver.stop("api")
    order = stack.api.create("sale.order", partner_id=customer)
    stack.api.write("sale.order", order, note="not instant")
    rows = all_confirmed(stack, "sale.order", order)
    first, second = [event_id for event_id, *_ in rows]
    eventually(lambda: handled(stack) == [first, second], PATIENCE)
    assert delivery_states(stack, "sale.order", order) == ["pending"]

    redis.flushall()
    stack.receiver.start("api")
    subscriber = stack.api.search_read("webhook.subscriber", [], ["receiver_user_id"])[0]
    assert subscriber["receiver_user_id"][1] == "BridgeCore receiver"  # the form's default
    stack.api.call("webhook.subscriber", "action_resume", [subscriber["id"]])
    eventually(lambda: delivery_states(stack, "sale.order", order) == ["cancelled"], PATIENCE)

    stack.api.write("sale.order", order, client_order_ref="PO-1")
    third = all_confirmed(stack, "sale.order", order)[-1][0]
    eventually(lambda: third in handled(stack), PATIENCE)
    assert [event for event in handled(stack) if event in (first, second, third)] == [third]
    eventually(
        lambda: delivery_states(stack, "sale.order", order) == ["cancelled", "delivered"], PATIENCE
    )
