"""`bridgecore doctor` says what is wrong and what to do."""

import pytest
from bridgecore.config.settings import Settings
from bridgecore.runtime import Runtime
from bridgecore.watching import doctor
from bridgecore.watching.doctor import Verdict, examine

from devstack.process import free_port
from tests.integration.fake_odoo import answer, hang_up


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(doctor, "_WORKER_TIMEOUT", 0.1)


def findings(parts, verdict):
    return {f.subject: f.text for f in examine(parts) if f.verdict is verdict}


def test_what_is_good(parts):
    good = findings(parts, Verdict.OK)
    assert good["handlers"] == "1 registered"
    assert "version" in good["redis"]
    assert "0 events wait" in good[parts.source]


def test_no_worker_runs(parts):
    parts.storage.redis.delete(parts.key("feed"))
    bad = findings(parts, Verdict.ERROR)
    assert "odoo.high" in bad["workers"]
    assert "bridgecore worker" in bad["workers"]
    assert "bridgecore beat" in bad[parts.source]


def test_redis_may_drop_events(parts):
    redis = parts.storage.redis
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "noeviction" in findings(parts, Verdict.ERROR)["redis"]
    finally:
        redis.config_set("maxmemory-policy", "noeviction")


def test_redis_is_full(parts, admin):
    redis = parts.storage.redis
    redis.config_set("maxmemory", "1mb")
    try:
        bad = findings(parts, Verdict.ERROR)
        assert "Redis is full" in bad["redis"]
        assert "maxmemory is 1.00M" in bad["redis"]
        assert "BRIDGECORE_MAX_STORED_EVENTS" in bad["redis"]
        assert "workers" not in bad  # the broker is not to blame
        answer = admin.get("/health/ready")
        assert (answer.status_code, "Redis is full" in answer.text) == (503, True)
        redis.config_set("maxmemory", "1gb")
        assert admin.get("/health/ready").status_code == 200
    finally:
        redis.config_set("maxmemory", "0")


def test_redis_writes_nothing_to_disk(parts):
    assert "appendonly" in findings(parts, Verdict.WARNING)["redis"]


def test_redis_is_away():
    parts = Runtime(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    bad = findings(parts, Verdict.ERROR)
    assert "BRIDGECORE_REDIS_URL" in bad["redis"]
    assert "workers" not in bad  # nothing more can be said
    assert "BRIDGECORE_SOURCES" in bad["sources"]


@pytest.mark.parametrize(
    ("misbehaviour", "advice"),
    [
        ([answer(401)], "refused the feed key"),
        ([hang_up], "cannot be reached"),
        ([answer(404, "<html>")], "auto_webhook_odoo is installed"),
        ([answer(200, '{"events": [], "last_id": 0}'), answer(403)], "'Webhook receiver'"),
    ],
    ids=["wrong key", "away", "no addon", "may only read"],
)
def test_odoo(parts, misbehaviour, advice):
    parts.odoo.misbehave.extend(misbehaviour)
    bad = [
        f.text for f in examine(parts) if (f.verdict, f.subject) == (Verdict.ERROR, parts.source)
    ]
    assert len(bad) == 1  # and nothing of `beat`, which may run
    assert advice in bad[0]


def test_the_check_accepts_and_confirms_no_event(parts):
    parts.odoo.events = [parts.wire(1)]
    list(examine(parts))
    assert parts.states() == {}
    assert parts.odoo.processed == []


def test_dead_letters_and_closed_routes_are_doubtful(make_parts):
    parts = make_parts(admin_token=None, max_attempts=1)
    parts.registry.on()(lambda event: 1 / 0)
    parts.push(parts.event(1))
    parts.deliver()
    doubtful = findings(parts, Verdict.WARNING)
    assert "BRIDGECORE_ADMIN_TOKEN" in doubtful["admin token"]
    assert "dead-letters list" in doubtful[parts.source]


def test_the_consumer_that_odoo_takes_the_receiver_for(parts):
    consumer = {"id": 7, "name": "BridgeCore", "active": True}
    left_out = {"companies": [{"id": 2, "name": "Belgium"}], "models": ["crm.lead"]}
    parts.odoo.stats = {"success": True, "consumer": {**consumer, "left_out": left_out}}
    texts = [finding.text for finding in examine(parts)]
    assert "Odoo knows this receiver as the consumer BridgeCore (id 7)" in texts
    assert "no events of Belgium, crm.lead" in findings(parts, Verdict.WARNING)[parts.source]


def test_an_archived_consumer(parts):
    consumer = {"id": 7, "name": "BridgeCore", "active": False}
    left_out = {"companies": [], "models": []}
    parts.odoo.stats = {"success": True, "consumer": {**consumer, "left_out": left_out}}
    assert "archived" in findings(parts, Verdict.WARNING)[parts.source]


def test_two_databases_claim_one_source(parts):
    for instance in ("aaa", "bbb"):
        parts.storage.instances.note(parts.source, instance)
    assert parts.source not in findings(parts, Verdict.WARNING)  # it has moved
    parts.storage.instances.note(parts.source, "aaa")
    text = findings(parts, Verdict.WARNING)[parts.source]
    assert "aaa and bbb" in text
    assert "“This Is a Copy”" in text
