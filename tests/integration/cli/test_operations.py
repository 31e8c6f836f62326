"""The commands that look after a receiver."""

import json

import pytest

from tests.integration.fake_odoo import answer


def fail(parts, *ids):
    @parts.registry.on()
    def broken(event):
        raise LookupError(f"no {event.event_id}")

    parts.push(*(parts.event(n, record_id=n) for n in ids))
    parts.deliver()


def test_the_last_events_are_shown_oldest_first(parts, run):
    parts.push(*(parts.event(n, changed_fields=["name"]) for n in (1, 2, 3)))
    parts.deliver()
    lines = run("events", "tail", "-n", "2", "--no-follow").splitlines()
    assert [line.split()[0] for line in lines] == [parts.event(n).key for n in (2, 3)]
    assert lines[0].endswith("confirmed  write   res.partner,1  name")
    assert run("events", "tail", "--no-follow", "--model", "sale.*") == ""


def test_events_as_json_are_as_the_api_shows_them(parts, run, admin):
    parts.push(parts.event(1))
    parts.deliver()
    shown = json.loads(run("events", "tail", "--no-follow", "--json"))
    assert shown["payload"] == {"name": "Partner 1"}
    path = f"/api/v1/events/{parts.source}/{parts.event(1).key}"
    assert shown == admin.get(path).json()["event"]


def test_later_events_are_waited_for(parts, run, monkeypatch):
    live = type(parts.storage.live)
    follow = live.follow

    def handle_then_end(self, source, position):
        parts.push(parts.event(1))
        parts.deliver()
        yield next(follow(self, source, position))

    monkeypatch.setattr(live, "follow", handle_then_end)
    assert "res.partner,1" in run("events", "tail")


def test_dead_letters(parts, run):
    fail(parts, 1, 2)
    key = parts.event(1).key
    listed = run("dead-letters", "list").splitlines()
    assert [line.partition(" (")[0] for line in listed] == [
        f"{parts.event(2).key}  res.partner:2  LookupError: no 2",
        f"{key}  res.partner:1  LookupError: no 1",
    ]
    assert listed[0].endswith("broken, test_operations.py:13)")
    shown = run("dead-letters", "show", key)
    assert '"name": "Partner 1"' in shown
    assert "Traceback" in shown

    assert run("dead-letters", "replay", key) == "1 queued again.\n"
    assert run("dead-letters", "discard", "--all") == "1 discarded.\n"
    assert run("dead-letters", "list") == ""
    assert parts.states() == {1: "queued", 2: "discarded"}
    assert parts.messages.kinds[-1] == "handle"
    entries = parts.storage.audit.newest(2)
    assert {(entry.by, entry.action) for entry in entries} == {
        ("cli", "dead_letters.replayed"),
        ("cli", "dead_letters.discarded"),
    }


def test_a_dead_letter_may_be_named_by_the_id_of_its_event(parts, run):
    fail(parts, 1, 2)
    assert '"event_id": 2' in run("dead-letters", "show", "2")
    assert run("dead-letters", "discard", "2") == "1 discarded.\n"
    assert run("dead-letters", "replay", "1") == "1 queued again.\n"
    assert "1 is no dead letter" in run("dead-letters", "replay", "1", code=1)
    assert "3 is no dead letter" in run("dead-letters", "show", "3", code=1)
    # a restored database gives an id twice
    parts.push(parts.event(4), parts.event(4, timestamp="2026-02-01T12:00:00.000000Z"))
    parts.deliver()
    refusal = run("dead-letters", "discard", "4", code=1)
    assert f"name one: {parts.event(4).key}, 4@2026-02-01" in refusal


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dead-letters", "replay"), "Say which"),
        (("dead-letters", "show", "1@x"), "not known"),
        (("events", "tail", "--source", "other"), "Name one source"),
    ],
)
def test_what_cannot_be_done(run, words, message):
    output = run(*words, code=1 if "show" in words else 2)
    assert message in output
    assert "Traceback" not in output


def test_a_pull_by_hand(parts, run):
    parts.odoo.events = [parts.wire(1), parts.wire(2)]
    assert run("pull") == "2 new events.\n"
    assert run("pull", "--reconcile", "--source", parts.source) == "0 new events.\n"
    parts.odoo.misbehave.append(answer(401))
    assert "refused the feed key" in run("pull", code=1)


def test_the_former_name_of_pull_still_works_and_is_not_shown(parts, run):
    parts.odoo.events = [parts.wire(1)]
    assert run("sync", "--source", parts.source) == "1 new events.\n"
    commands = [line.split()[0] for line in run("--help").splitlines() if line.startswith("  ")]
    assert "pull" in commands
    assert "sync" not in commands
