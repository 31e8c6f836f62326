"""Personal data that were erased in Odoo are erased in the receiver, too."""

from tests.integration.batching import latest

ERASED = {"_metadata": {"erased": True}}


def bodies(parts, record_id):
    """What is stored of a record's events, as one text."""
    prefix = f"bridgecore:{{{parts.source}}}"
    redis = parts.storage.redis
    stored = [redis.get(key) for key in redis.scan_iter(match=f"{prefix}:body:*")]
    mine = [body for body in stored if f'"record_id":{record_id},' in body]
    return "".join([*mine, str(latest(parts, record_id))])


def test_an_event_that_erases_blanks_what_is_stored_of_its_record(parts):
    parts.push(
        parts.event(1, payload={"name": "Ada"}, old_values={"name": "Augusta"}),
        parts.event(2, record_id=2, payload={"name": "Grace"}),
    )
    parts.deliver()
    assert "Ada" in bodies(parts, 1)

    parts.push(parts.event(3, payload=ERASED))
    parts.deliver()
    assert "Ada" not in bodies(parts, 1)
    assert "Augusta" not in bodies(parts, 1)
    assert "Grace" in bodies(parts, 2)
    assert parts.states() == {1: "confirmed", 2: "confirmed", 3: "confirmed"}


def test_handlers_can_see_that_an_event_erases(parts):
    seen = []
    parts.registry.on("res.partner")(lambda event: seen.append(event.erases))
    parts.push(parts.event(1), parts.event(2, payload=ERASED))
    parts.deliver()
    assert seen == [False, True]


def test_blanking_brings_back_nothing_that_has_been_forgotten(make_parts):
    parts = make_parts(max_stored_events=1)
    parts.push(parts.event(1), parts.event(2))
    parts.deliver()
    parts.storage.retention.forget(parts.source)
    parts.push(parts.event(3, payload=ERASED))
    parts.deliver()
    kept = parts.storage.redis.keys(parts.key("body:*"))
    assert parts.key(f"body:{parts.event(1).key}") not in kept


def test_what_cannot_be_read_is_blanked_too(parts):
    parts.push(parts.event(1, payload={"name": "Ada"}), parts.event(2, payload={"name": "Ada"}))
    parts.deliver()
    unreadable = parts.key(f"body:{parts.event(1).key}")
    parts.storage.redis.set(unreadable, '{"name": "Ada"')
    parts.push(parts.event(3, payload=ERASED))
    parts.deliver()
    assert "Ada" not in parts.storage.redis.get(unreadable)
    assert "Ada" not in bodies(parts, 1)
    assert parts.states()[3] == "confirmed"


def erasing(*names):
    return {"_metadata": {"erased_fields": list(names)}}


def test_an_event_that_erases_fields_blanks_these_in_what_is_stored_of_its_record(parts):
    link = {"id": 7, "name": "Ada"}
    order = {"partner_id": link, "note": "For Ada", "user_id": {"id": 2, "name": "Eve"}, "total": 5}
    other = parts.event(2, record_id=2, payload={"note": "For Grace"})
    parts.push(parts.event(1, payload=order, old_values={"note": "By Ada", "total": 4}), other)
    parts.deliver()

    parts.push(parts.event(3, payload=erasing("partner_id", "note")))
    parts.deliver()
    assert "Ada" not in bodies(parts, 1)
    assert '"old_values":{"note":null,"total":4}' in bodies(parts, 1)
    assert latest(parts, 1) == {
        "partner_id": {"id": 7, "name": None},
        "note": None,
        "user_id": {"id": 2, "name": "Eve"},
        "total": 5,
        **erasing("partner_id", "note"),
    }
    assert "For Grace" in bodies(parts, 2)
    assert parts.states() == {1: "confirmed", 2: "confirmed", 3: "confirmed"}


def test_handlers_can_see_which_fields_were_erased(parts):
    seen = []
    parts.registry.on("res.partner")(lambda event: seen.append((event.erases, event.erased_fields)))
    parts.push(
        parts.event(1),
        parts.event(2, payload=erasing("note")),
        parts.event(3, payload=erasing()),
        parts.event(4, payload={"_metadata": {"erased_fields": "note"}}),
    )
    parts.deliver()
    assert seen == [(False, None), (False, ["note"]), (False, []), (False, None)]


def test_erasing_fields_deletes_tracebacks_which_may_quote_values(make_parts):
    parts = make_parts(max_attempts=1)

    def failing(event):
        if not event.is_erasure:
            raise ValueError("no customer Ada")

    parts.registry.on("res.partner")(failing)
    parts.push(parts.event(1, payload={"total": 5}))
    parts.deliver()
    memory = parts.key(f"event:{parts.event(1).key}")
    assert "Ada" in parts.storage.redis.hget(memory, "error")
    parts.push(parts.event(2, payload=erasing()))
    parts.deliver()
    assert not parts.storage.redis.hget(memory, "error")
    assert latest(parts)["total"] == 5


def test_fields_of_an_event_that_comes_later_are_kept(parts):
    """The record was changed after the erasure, and that is told."""
    parts.push(parts.event(1, payload=erasing("note")), parts.event(2, payload={"note": "Ada"}))
    parts.deliver()
    assert latest(parts)["note"] == "Ada"
    assert "Ada" in bodies(parts, 1)


def test_what_cannot_be_read_is_blanked_as_a_whole_when_fields_are_erased(parts):
    parts.push(parts.event(1, payload={"note": "Ada"}))
    parts.deliver()
    unreadable = parts.key(f"body:{parts.event(1).key}")
    parts.storage.redis.set(unreadable, '{"note": "Ada"')
    parts.push(parts.event(2, payload=erasing("note")))
    parts.deliver()
    assert "Ada" not in parts.storage.redis.get(unreadable)


def test_an_erasure_that_comes_late_leaves_what_came_after_it(parts):
    parts.push(parts.event(2, payload={"note": "Ada"}, timestamp="2026-02-01T00:00:00Z"))
    parts.deliver()
    parts.push(parts.event(1, payload=erasing("note"), timestamp="2026-01-01T00:00:00Z"))
    parts.deliver()
    assert latest(parts)["note"] == "Ada"
    assert "Ada" in bodies(parts, 1)


def test_an_erasure_reaches_dead_letters_and_events_that_wait_to_be_confirmed(make_parts):
    parts = make_parts(max_attempts=1)

    def failing(event):
        if event.payload.get("fails"):
            raise ValueError

    def handle():
        """Handle what waits, but send no report to Odoo."""
        for kind, content in [*parts.messages.sent]:
            if kind == "handle":
                parts.runner.run(*content)
        parts.messages.sent.clear()

    parts.registry.on("res.partner")(failing)
    parts.push(parts.event(1, payload={"note": "Ada", "fails": True}))
    parts.push(parts.event(2, payload={"note": "Ada"}))
    handle()
    assert parts.states() == {1: "dead", 2: "done"}
    parts.push(parts.event(3, payload=erasing("note")))
    handle()
    assert "Ada" not in bodies(parts, 1)
