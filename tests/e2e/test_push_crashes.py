"""Processes that deliver together, and die in the middle of it."""

from collections import defaultdict
from collections.abc import Iterator
from signal import SIGKILL

import pytest

from tests.e2e.conftest import Run
from tests.e2e.endpoint import Endpoint

_PREPARE = """
from odoo.addons.auto_webhook_odoo.delivery import sender

sender.wake = lambda *lanes: None  # nobody sends yet
config, model = env["webhook.config"], env["ir.model"]._get("res.partner")
env["webhook.subscriber"].search([]).active = False
env["update.webhook"].search([]).unlink()
if not config.search([]):
    config.create({"model_id": model.id, "priority": "high", "instant_send": True})
subscriber = env["webhook.subscriber"].create({
    "name": "Endpoint", "url": url, "allow_private_network": True, "state": "disabled",
    "timeout": 1, "backoff_base": 1, "backoff_max": 1, "max_attempts": 1000, "disable_after": 0,
    "batch_size": 7,
})
partners = env["res.partner"].create([{"name": f"P{i}"} for i in range(20)])
env.cr.commit()
for city in ("Oslo", "Rome", "Bern"):
    for partner in partners:
        partner.city = city
    env.cr.commit()
env.cr.execute("UPDATE webhook_subscriber SET state = 'enabled'")  # nobody is woken
env.cr.commit()
env.cr.execute("SELECT id FROM webhook_delivery WHERE state = 'pending'")
assert env.cr.rowcount == 80, env.cr.rowcount
env.cr.execute("SELECT id FROM update_webhook")
result = {"subscriber_id": subscriber.id, "event_ids": [id for id, in env.cr.fetchall()]}
"""

_RACE = """
import json
from odoo.addons.auto_webhook_odoo.delivery import sender
from odoo.addons.auto_webhook_odoo.delivery.blame import Evidence
from odoo.addons.auto_webhook_odoo.delivery.database import Database
from odoo.addons.auto_webhook_odoo.delivery.transport import Outcome

sender.wake = lambda *lanes: None  # nobody else claims
first, second = Database(env.cr.dbname), Database(env.cr.dbname)
partner = env["res.partner"].create({"name": "Late"})
env.cr.commit()
with first.transaction() as found:
    claim = found["webhook.delivery"]._claim(subscriber_id)
evidence = Evidence(claim)
evidence.note(claim.deliveries, Outcome(True, status=200))
with first.transaction() as found:
    settled = found["webhook.delivery"]._record(claim, evidence)
    partner.city = "Oslo"  # its event waits for the first one
    env.cr.commit()
    with second.transaction() as other:
        put_off = other["webhook.delivery"]._claim(subscriber_id).deliveries
with first.transaction() as found:
    found["webhook.delivery"]._wake_later(settled)
with second.transaction() as other:
    let_go = other["webhook.delivery"]._claim(subscriber_id).deliveries
result = {"put_off": len(put_off), "let_go": [json.loads(d.event)["event"] for d in let_go]}
"""

_PROBE = """
from odoo.addons.auto_webhook_odoo.delivery.database import Database

env.cr.execute(f"UPDATE webhook_subscriber SET {values} WHERE id = %s", [subscriber_id])
env.cr.commit()
with Database(env.cr.dbname).transaction() as one, Database(env.cr.dbname).transaction() as other:
    claims = [each["webhook.delivery"]._claim(subscriber_id) for each in (one, other)]
result = {"claimed": [len(claim.deliveries) for claim in claims]}
"""

_DELIVER = """
import functools, os, signal, time
import odoo.sql_db
from odoo.addons.auto_webhook_odoo.delivery import connections, database, dispatcher
from odoo.addons.auto_webhook_odoo.models import webhook_delivery

dispatcher.LEASE_MARGIN = webhook_delivery.LEASE_MARGIN = 1  # seconds; tests have little patience
webhook_delivery.longest_attempt = lambda timeout: timeout
deliveries = type(env["webhook.delivery"])
registry, dbname = env.registry, env.cr.dbname
# moments in which a process dies: where, before or after it, and at which call
moments = [
    (deliveries, "_claim", "after", 1),  # leased, not sent
    (dispatcher, "send", "before", 2),
    (dispatcher, "post", "after", 3),  # in the middle of a claim
    (dispatcher, "send", "after", 1),
    (deliveries, "_record", "after", 2),  # recorded, not committed
]

def die_at(owner, name, when, call):
    function, calls = getattr(owner, name), [0]
    def deadly(*args, **kwargs):
        calls[0] += 1
        if when == "before" and calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        done = function(*args, **kwargs)
        if when == "after" and calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    setattr(owner, name, deadly)

def deliver_all():
    known = database.Database(dbname)
    connections_for = functools.cache(connections.open_connections)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        dispatcher.deliver(known, subscriber_id, connections_for)
        with registry.cursor() as cr:
            cr.execute("SELECT count(*) FROM webhook_delivery WHERE state = 'pending'")
            if not cr.fetchone()[0]:
                return 0
        time.sleep(0.02)
    return 1

def forked(*moment):
    pid = os.fork()
    if not pid:
        if moment:
            die_at(*moment)
        os._exit(deliver_all())
    return pid

env.cr.close()
odoo.sql_db.close_all()  # connections must not be shared with the children
killed = [os.waitstatus_to_exitcode(os.waitpid(forked(*moment), 0)[1]) for moment in moments]
workers = [forked() for _worker in range(3)]
ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
result = {"killed": killed, "ended": ended}
"""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint(trouble=0.3)
    yield endpoint
    endpoint.close()


def test_nothing_is_lost_or_out_of_order(run: Run, endpoint: Endpoint) -> None:
    prepared = run(_PREPARE, url=endpoint.url)
    done = run(_DELIVER, subscriber_id=prepared["subscriber_id"])
    assert done == {"killed": [-SIGKILL] * 5, "ended": [0, 0, 0]}

    assert {event["event_id"] for event in endpoint.accepted} == set(prepared["event_ids"])
    arrived = defaultdict(list)
    for event in endpoint.accepted:
        arrived[event["record_id"]].append(event["event_id"])
    assert len(arrived) == 20
    for event_ids in arrived.values():
        assert list(dict.fromkeys(event_ids)) == sorted(set(event_ids))
        assert event_ids[-1] == max(event_ids)  # a batch may be repeated, but no newer event passes


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ("consecutive_failures = 1", 5),  # enough to find out whether the endpoint is away
        ("consecutive_failures = 5, pauses = 1", 1),  # a probe
        ("rate_limit = 1", 1),
    ],
)
def test_two_at_the_same_time_send_no_more_than_one_may(
    run: Run, endpoint: Endpoint, values: str, most: int
) -> None:
    prepared = run(_PREPARE, url=endpoint.url)
    done = run(_PROBE, subscriber_id=prepared["subscriber_id"], values=values)
    assert done == {"claimed": [most, 0]}


def test_what_began_to_wait_meanwhile_is_woken(run: Run, endpoint: Endpoint) -> None:
    """One process records that an event was delivered while another puts off the next one."""
    prepared = run(_PREPARE, url=endpoint.url)
    run(_DELIVER, subscriber_id=prepared["subscriber_id"])
    done = run(_RACE, **prepared)
    assert done == {"put_off": 0, "let_go": ["write"]}
