"""What consumers do to each other, and to whoever adds one, in transactions of their own."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import Run

#: For all scripts: each call has a transaction of its own, as a request has.
_CALLS = """
import threading, time
from odoo.addons.auto_webhook_odoo.postgres.transactions import read_committed
from odoo.addons.auto_webhook_odoo.wire.event import EventName

registry = env.registry

def transaction(action, uid=1):
    with registry.cursor() as cr:
        return action(env(cr=cr, user=uid))

def new_user(env, name, role="receiver"):
    groups = env.ref("base.group_user") | env.ref("auto_webhook_odoo.group_webhook_" + role)
    values = {"name": name, "login": name, "group_ids": [(6, 0, groups.ids)]}
    return env["res.users"].with_context(no_reset_password=True).create(values).id

def add_user(name, role="receiver"):
    return transaction(lambda env: new_user(env, name, role))

def add_events(number):
    def insert(env):
        env.cr.execute(
            "WITH event AS (INSERT INTO update_webhook (model, record_id, event, payload,"
            " priority, category, timestamp) SELECT 'res.partner', i, 'write', '{}', 'high',"
            " 'business', now() at time zone 'UTC' FROM generate_series(1, %s) i RETURNING id),"
            " pending AS (INSERT INTO webhook_feed_pending (id) SELECT id FROM event)"
            " SELECT id FROM event ORDER BY id", [number])
        return [event_id for (event_id,) in env.cr.fetchall()]
    return transaction(insert)

def confirm(uid, event_ids, failed=()):
    def mark(env):
        with read_committed(env) as own:
            return own["update.webhook"]._mark_processed(
                [EventName(i) for i in event_ids], {EventName(i): "x" for i in failed})
    return transaction(mark, uid)

def open_to(uid):
    def pull(env):
        page = env["update.webhook"].pull_events(0, 1000, include_processed=False)
        return [event["id"] for event in page["events"]]
    return transaction(pull, uid)

def consumer(env, uid):
    return env["webhook.consumer"].search([("user_id", "=", uid)])

def processed(event_ids):
    def count(env):
        events = env["update.webhook"].browse(event_ids)
        return len(events.filtered("is_processed"))
    return transaction(count)

def beside(action, *arguments):
    outcome = {}
    def run():
        try:
            outcome["result"] = action(*arguments)
        except Exception as error:
            outcome["error"] = repr(error)
    outcome["thread"] = threading.Thread(target=run, daemon=True)
    outcome["thread"].start()
    return outcome

def outcome_of(started, seconds=30):
    started["thread"].join(seconds)
    return started.get("error") or ("hangs" if started["thread"].is_alive() else "ok")
"""


def scripted(run: Run, script: str, **parameters: object) -> dict[str, Any]:
    return run(_CALLS + script, **parameters)


_FIRST_CALL = """
first = add_user("first")
event_ids = add_events(3)
manager = add_user("manager", "manager")
pulling = beside(open_to, manager)
result = {"pull": outcome_of(pulling), "manager": pulling.get("result")}
later = add_events(2)
result["later"] = [open_to(manager) == later, open_to(first) == event_ids + later]
confirm(first, event_ids + later)
confirm(manager, later)
result["processed"] = processed(event_ids + later)
"""


def test_a_manager_who_pulls_becomes_a_consumer(run: Run) -> None:
    assert scripted(run, _FIRST_CALL) == {
        "pull": "ok",
        "manager": [],
        "later": [True, True],
        "processed": 5,
    }


_JOINING = """
busy = add_user("busy")
event_ids = add_events(20_000)
over = threading.Event()

def work():
    for start in range(0, len(event_ids), 100):
        if not over.is_set():
            confirm(busy, event_ids[start:start + 100])

working = beside(work)
result = {"joined": []}
for number in range(3):
    adding = beside(add_user, f"joining {number}")
    result["joined"].append(outcome_of(adding, 60))
new = adding["result"]
result["waits_for_new"] = len(open_to(new))
over.set()
result["work"] = outcome_of(working, 60)
later = add_events(1)
result["later"] = open_to(new) == later
"""


def test_a_receiver_can_be_added_while_another_confirms(run: Run) -> None:
    """The administrator's transaction began before; it must neither fail nor deadlock."""
    assert scripted(run, _JOINING) == {
        "joined": ["ok"] * 3,
        "waits_for_new": 0,
        "work": "ok",
        "later": True,
    }


_BESIDE_A_BUTTON = """
users = [add_user(f"receiver {number}") for number in range(3)]
transaction(lambda env: env["webhook.consumer"].search(
    [("user_id", "not in", users)]).write({"active": False}))
result = {}

# Two consumers are done with an event at the same time, one of them by a button. Odoo's
# transaction, REPEATABLE READ, has its snapshot before the other confirms.
event_ids = add_events(2)
confirm(users[0], event_ids)
def skip(env):
    waiting = consumer(env, users[2])
    waiting.user_id.name
    confirm(users[1], event_ids)
    waiting.action_skip()
transaction(skip, 2)
result["skip"] = processed(event_ids)

subscriber = transaction(lambda env: env["webhook.subscriber"].create(
    {"name": "S", "url": "https://example.com/", "confirm_on_delivery": True}).id)
event_ids = add_events(2)
transaction(lambda env: env["webhook.delivery"].create([
    {"event_id": i, "subscriber_id": subscriber, "model": "res.partner", "record_id": 1,
     "next_attempt_at": "2100-01-01"} for i in event_ids]))
for user in users[:2]:
    confirm(user, event_ids)
def cancel(env):
    deliveries = env["webhook.delivery"].search([("event_id", "in", event_ids)])
    deliveries.mapped("state")
    confirm(users[2], event_ids)
    deliveries.action_cancel()
transaction(cancel, 2)
result["cancel"] = processed(event_ids)

# A consumer that was archived meanwhile has settled what is offered to another again.
event_ids = add_events(2)
for user in users[1:]:
    confirm(user, event_ids)
confirm(users[0], event_ids[1:], event_ids[:1])
result["open"] = [open_to(user) for user in users]
transaction(lambda env: consumer(env, users[2]).write({"active": False}))
transaction(lambda env: env["update.webhook"].browse(event_ids).action_offer_again(), 2)
transaction(lambda env: env["webhook.consumer"].with_context(active_test=False).search(
    [("user_id", "=", users[2])]).write({"active": True}))
result["offered"] = [open_to(user) == event_ids[:1] for user in users]
confirm(users[0], event_ids[:1])
result["back"] = processed(event_ids)
"""


def test_no_event_stays_open_that_all_have_confirmed(run: Run) -> None:
    assert scripted(run, _BESIDE_A_BUTTON) == {
        "skip": 2,
        "cancel": 2,
        "open": [[], [], []],
        "offered": [True, False, False],
        "back": 2,
    }


_ALL_TOGETHER = """
transaction(lambda env: env["webhook.consumer"].search([]).write({"active": False}))
users = [add_user(f"one of all {number}") for number in range(3)]
subscriber = transaction(lambda env: env["webhook.subscriber"].create(
    {"name": "All", "url": "https://example.com/", "confirm_on_delivery": True}).id)
event_ids = add_events(2_000)
deliveries = transaction(lambda env: env["webhook.delivery"].create([
    {"event_id": i, "subscriber_id": subscriber, "model": "res.partner", "record_id": 1,
     "next_attempt_at": "2100-01-01"} for i in event_ids[::2]]).ids)

def confirming(uid, step):
    def work():
        for start in range(0, len(event_ids), step):
            part = event_ids[start:start + step]
            confirm(uid, [i for i in part if i % 7], [i for i in part if not i % 7])
    return work

def delivering():
    for start in range(0, len(deliveries), 50):
        def settle(env):
            with read_committed(env) as own:
                part = own["webhook.delivery"].browse(deliveries[start:start + 50])
                part.write({"state": "delivered"})
                part.flush_recordset()
                part._settle_events()
        transaction(settle)

def offering():
    for _turn in range(10):
        def offer(env):
            with read_committed(env) as own:
                failed = own["update.webhook"].search([("failed_at", "!=", False)], limit=20)
                failed.action_offer_again()
        transaction(offer)

work = [confirming(users[0], 100), confirming(users[0], 70), confirming(users[1], 130),
        confirming(users[2], 90), delivering, offering]
started = [beside(action) for action in work]
adding = beside(add_user, "latecomer")
result = {"outcomes": [outcome_of(one, 120) for one in [*started, adding]]}
late = adding["result"]
confirm(late, event_ids)
for uid in users:
    while waiting := open_to(uid):
        confirm(uid, waiting)

def rest(env):
    env.cr.execute("SELECT count(*) FROM webhook_confirmation WHERE failed_at IS NULL"
                   " AND event_id = ANY(%s)", [event_ids])
    figures = lambda: [(c.unconfirmed, c.given_up) for u in users for c in consumer(env, u)]
    (left,), before = env.cr.fetchone(), figures()
    env["webhook.tally"]._count_anew()
    return {"processed": processed(event_ids), "left": left, "exact": before == figures(),
            "open": [unconfirmed for unconfirmed, _given_up in before]}
result |= transaction(rest)
"""


def test_all_at_once_leave_every_event_processed(run: Run) -> None:
    assert scripted(run, _ALL_TOGETHER) == {
        "outcomes": ["ok"] * 7,
        "processed": 2000,
        "left": 0,
        "exact": True,
        "open": [0, 0, 0],
    }
