"""Figures for Prometheus, computed from Redis, so they are those of all processes."""

import pytest

from tests.integration.api_calls import samples_of
from tests.integration.fake_odoo import answer


@pytest.fixture
def read(parts, admin):
    """The value of a sample."""

    def read(name, **labels):
        samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for sample in samples_of(admin)
        }
        key = frozenset({"source": parts.source, **labels}.items())
        return samples[f"bridgecore_{name}", key]

    return read


def test_what_arrived_and_what_was_known(parts, read):
    parts.push(parts.event(1))
    parts.push(parts.event(1), parts.event(2))
    parts.odoo.events = [parts.wire(2), parts.wire(3)]
    parts.pulling.pull(parts.source)
    assert read("received_total", via="push") == 3
    assert read("duplicates_total", via="push") == 1
    assert read("received_total", via="pull") == 2
    assert read("duplicates_total", via="pull") == 1


def test_what_waits_here(parts, read):
    parts.push(parts.event(1, timestamp="2026-01-31T12:00:00Z"), parts.event(2, record_id=2))
    assert read("queue_depth") == 2
    assert read("oldest_queued_seconds") > 0
    parts.runner.run(parts.source, ["res.partner:1", "res.partner:2"])
    assert read("queue_depth") == 0
    assert read("oldest_queued_seconds") == 0
    assert read("unconfirmed") == 2
    parts.deliver()
    assert read("unconfirmed") == 0
    assert read("remembered") == 2


def test_how_far_it_is_behind_odoo(parts, read):
    parts.odoo.stats = {"backlog": 47, "oldest_pending_age": 86500}
    parts.pulling.pull(parts.source)
    assert read("lag_events") == 47
    assert read("lag_seconds") == 86500
    parts.odoo.stats = {"backlog": 0, "oldest_pending_age": None}
    parts.pulling.pull(parts.source)
    assert read("lag_events") == read("lag_seconds") == 0


@pytest.mark.parametrize("stats", [None, {}, {"backlog": "many"}])
def test_an_odoo_without_these_figures_is_pulled_all_the_same(parts, read, stats):
    parts.odoo.stats = stats
    parts.odoo.events = [parts.wire(1)]
    assert parts.pulling.pull(parts.source) == 1
    assert read("lag_events") == 0


def test_how_long_it_took(parts, read):
    parts.push(*(parts.event(n) for n in range(1, 6)))
    parts.deliver()
    for name in ("handling_seconds", "latency_seconds"):
        assert read(f"{name}_count") == read(f"{name}_bucket", le="+Inf") == 5
        assert 0 <= read(f"{name}_sum") < 60


def test_what_was_given_up(make_parts, parts, read):
    @parts.registry.on()
    def fail(event):
        raise LookupError

    parts.push(parts.event(1), parts.event(2, record_id=2))
    parts.deliver()
    assert read("dead_letters") == 2
    assert read("handled_total", outcome="dead") == 2
    parts.dead_letters.discard(parts.source, [parts.event(1).key], "cli")
    parts.dead_letters.replay(parts.source, [parts.event(2).key], "cli")
    assert read("dead_letters") == 0
    assert read("discarded_total") == read("replayed_total") == 1


def test_how_odoo_is(parts, read):
    assert read("feed_read_age_seconds") != read("feed_read_age_seconds")  # NaN: never
    parts.odoo.misbehave.append(answer(500))
    with pytest.raises(Exception, match="500"), parts.odoo_health.watch(parts.source):
        parts.pulling.pull(parts.source)
    assert read("pull_errors_total") == read("odoo_failures") == 1
    with parts.odoo_health.watch(parts.source):
        parts.pulling.pull(parts.source)
    assert read("odoo_failures") == 0
    assert 0 <= read("feed_read_age_seconds") < 60


def test_what_is_refused_because_too_many_wait(parts, read):
    parts.settings.max_queue_depth = 1
    parts.push(parts.event(1))
    with pytest.raises(Exception, match="waiting"):
        parts.push(parts.event(2))
    assert read("refused_total", via="push") == 1


def test_two_databases_claim_one_source(parts, read):
    assert read("instance_conflicts_total") == 0
    for instance in ("a", "b", "a", "b"):
        parts.storage.instances.note(parts.source, instance)
    assert read("instance_conflicts_total") == 2
