"""Random transactions: their events must be the net change that simple bookkeeping expects."""

import copy
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.fields import Command
from odoo.sql_db import Savepoint
from odoo.tests import tagged

from .common import WebhookCase

CRATE, SHELF = "webhook.fake.crate", "webhook.fake.shelf"
MARK, RACK = "webhook.fake.mark", "webhook.fake.rack"
STORE_MODELS = ("FakeRack", "FakeMark", "FakeShelf", "FakeCrate", "FakeSorter")

_PLACE = st.integers(0, 5)
_PLACES = st.lists(_PLACE, max_size=3)
_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "c"]),
        "count": st.integers(0, 2),
        "shelf_id": st.none() | _PLACE,
        "rack_id": st.none() | _PLACE,
        "mark_ids": _PLACES,
    },
)
_STEPS = st.one_of(
    st.tuples(st.just("create"), _VALUES),
    st.tuples(st.just("write"), _PLACES, _VALUES),
    st.tuples(st.just("write"), _PLACES, _VALUES),
    st.tuples(st.just("link"), _PLACE, _PLACE),
    st.tuples(st.just("remove_link"), _PLACE, _PLACE),
    st.tuples(st.just("clear_links"), _PLACE),
    st.tuples(st.just("set_crates_of_mark"), _PLACE, _PLACES),
    st.tuples(st.just("link_from_mark"), _PLACE, _PLACE),
    st.tuples(st.just("remove_link_from_mark"), _PLACE, _PLACE),
    st.tuples(st.just("create_mark"), _PLACES),
    st.tuples(st.just("set_crates_of_shelf"), _PLACE, _PLACES),
    st.tuples(st.just("create_shelf"), _PLACES),
    st.tuples(st.just("rename_shelf"), _PLACE, st.sampled_from(["a", "b", "c"])),
    st.tuples(st.just("unlink_crates"), _PLACES),
    st.tuples(st.just("unlink_mark"), _PLACE),
    st.tuples(st.just("unlink_shelf"), _PLACE),
    st.tuples(st.just("unlink_rack"), _PLACE),
    st.tuples(st.just("flush_records")),
    st.tuples(st.just("flush_cursor")),
    st.tuples(st.just("forget_cache")),
    st.tuples(st.just("begin")),
    st.tuples(st.just("begin_without_flush")),
    st.tuples(st.just("release")),
    st.tuples(st.just("roll_back")),
    st.tuples(st.just("roll_back")),
)


class Reference:
    """What is in the store, by simple bookkeeping."""

    def __init__(self):
        self.crates, self.shelves, self.marks, self.racks = {}, {}, [], []

    def snapshot(self):
        """Return ``{(model, id): values as an event shows them}``."""
        records = {}
        for crate_id, crate in self.crates.items():
            records[CRATE, crate_id] = {
                **crate,
                "doubled": 2 * crate["count"],
                "shelf_name": self.shelves.get(crate["shelf_id"]),
                "mark_ids": sorted(crate["mark_ids"]),
            }
        for shelf_id, name in self.shelves.items():
            content = [i for i, crate in self.crates.items() if crate["shelf_id"] == shelf_id]
            records[SHELF, shelf_id] = {"name": name, "crate_ids": sorted(content)}
        return records

    def remove_rack(self, rack_id):
        self.racks.remove(rack_id)
        for crate_id in [i for i, crate in self.crates.items() if crate["rack_id"] == rack_id]:
            del self.crates[crate_id]

    def remove_shelf(self, shelf_id):
        del self.shelves[shelf_id]
        for crate in self.crates.values():
            if crate["shelf_id"] == shelf_id:
                crate["shelf_id"] = None

    def remove_mark(self, mark_id):
        self.marks.remove(mark_id)
        for crate in self.crates.values():
            crate["mark_ids"].discard(mark_id)


def net_changes(before, after):
    """Return ``{(model, id): (event, payload, changed fields and their old values)}``."""
    expected = {}
    for key in before.keys() | after.keys():
        if key not in before:
            expected[key] = ("create", after[key], None)
        elif key not in after:
            expected[key] = ("unlink", before[key], None)
        elif before[key] != after[key]:
            changed = {n: v for n, v in before[key].items() if v != after[key][n]}
            expected[key] = ("write", after[key], changed)
    return expected


class Store:
    """Performs steps on records and on the reference alike."""

    # pylint: disable=method-required-super  # these are no models' methods

    def __init__(self, env):
        self.env = env
        self.reference = Reference()
        self.savepoints = []  # [(savepoint, reference when it began)]

    def fill(self):
        """Make records that exist before the transaction."""
        for name in ("a", "b"):
            self.reference.racks.append(self.env[RACK].create({"name": name}).id)
            self.create_shelf([])
            self.create_mark([])
        self.create({"name": "a", "count": 1, "shelf_id": 0, "rack_id": 0, "mark_ids": [0]})
        self.create({"name": "b", "shelf_id": 0, "mark_ids": [0, 1]})
        self.create({})

    def crate(self, place):
        return self._at(CRATE, self.reference.crates, place)

    def crates(self, places):
        records = self.env[CRATE]
        for place in places if self.reference.crates else ():
            records |= self.crate(place)
        return records

    def mark(self, place):
        return self._at(MARK, self.reference.marks, place)

    def shelf(self, place):
        return self._at(SHELF, self.reference.shelves, place)

    def _at(self, model, ids, place):
        ids = sorted(ids)
        return self.env[model].browse(ids[place % len(ids)] if ids else [])

    def _resolved(self, values):
        """Return values to write, and the same for the reference."""
        given, noted = dict(values), dict(values)
        if values.get("shelf_id") is not None:
            noted["shelf_id"] = given["shelf_id"] = self.shelf(values["shelf_id"]).id or None
        if values.get("rack_id") is not None:
            racks = self.reference.racks
            rack = racks[values["rack_id"] % len(racks)] if racks else None
            noted["rack_id"] = given["rack_id"] = rack
        if "mark_ids" in values:
            marks = {self.mark(place).id for place in values["mark_ids"]} - {False}
            given["mark_ids"] = [Command.set(sorted(marks))]
            noted["mark_ids"] = marks
        return given, noted

    def create(self, values):
        given, noted = self._resolved(values)
        crate = self.env[CRATE].create(given)
        empty = {"name": None, "count": 0, "shelf_id": None, "rack_id": None, "mark_ids": set()}
        self.reference.crates[crate.id] = {**empty, **noted}

    def write(self, places, values):
        given, noted = self._resolved(values)
        crates = self.crates(places)
        crates.write(given)
        for crate in crates:
            self.reference.crates[crate.id].update(copy.deepcopy(noted))

    def link(self, place, mark_place):
        self._link(place, mark_place, lambda crate, mark: crate.write(
            {"mark_ids": [Command.link(mark.id)]}
        ))  # fmt: skip

    def link_from_mark(self, place, mark_place):
        self._link(place, mark_place, lambda crate, mark: mark.write(
            {"crate_ids": [Command.link(crate.id)]}
        ))  # fmt: skip

    def _link(self, place, mark_place, act):
        crate, mark = self.crate(place), self.mark(mark_place)
        if crate and mark:
            act(crate, mark)
            self.reference.crates[crate.id]["mark_ids"].add(mark.id)

    def remove_link(self, place, mark_place):
        self._remove_link(place, mark_place, lambda crate, mark: crate.write(
            {"mark_ids": [Command.unlink(mark.id)]}
        ))  # fmt: skip

    def remove_link_from_mark(self, place, mark_place):
        self._remove_link(place, mark_place, lambda crate, mark: mark.write(
            {"crate_ids": [Command.unlink(crate.id)]}
        ))  # fmt: skip

    def _remove_link(self, place, mark_place, act):
        crate, mark = self.crate(place), self.mark(mark_place)
        if crate and mark:
            act(crate, mark)
            self.reference.crates[crate.id]["mark_ids"].discard(mark.id)

    def clear_links(self, place):
        if crate := self.crate(place):
            crate.write({"mark_ids": [Command.clear()]})
            self.reference.crates[crate.id]["mark_ids"] = set()

    def set_crates_of_mark(self, place, places):
        if mark := self.mark(place):
            crates = self.crates(places)
            mark.write({"crate_ids": [Command.set(crates.ids)]})
            self._note_crates_of_mark(mark.id, crates.ids)

    def create_mark(self, places):
        crates = self.crates(places)
        mark = self.env[MARK].create({"crate_ids": [Command.set(crates.ids)]})
        self.reference.marks.append(mark.id)
        self._note_crates_of_mark(mark.id, crates.ids)

    def _note_crates_of_mark(self, mark_id, crate_ids):
        for crate_id, crate in self.reference.crates.items():
            crate["mark_ids"].discard(mark_id)
            if crate_id in crate_ids:
                crate["mark_ids"].add(mark_id)

    def create_shelf(self, places):
        crates = self.crates(places)
        shelf = self.env[SHELF].create({"name": "a", "crate_ids": [Command.set(crates.ids)]})
        self.reference.shelves[shelf.id] = "a"
        for crate in crates:
            self.reference.crates[crate.id]["shelf_id"] = shelf.id

    def set_crates_of_shelf(self, place, places):
        if shelf := self.shelf(place):
            crates = self.crates(places)
            shelf.write({"crate_ids": [Command.set(crates.ids)]})
            for crate_id, crate in self.reference.crates.items():
                if crate_id in crates.ids:
                    crate["shelf_id"] = shelf.id
                elif crate["shelf_id"] == shelf.id:
                    crate["shelf_id"] = None

    def rename_shelf(self, place, name):
        if shelf := self.shelf(place):
            shelf.name = name
            self.reference.shelves[shelf.id] = name

    def unlink_crates(self, places):
        crates = self.crates(places)
        for crate_id in crates.ids:
            del self.reference.crates[crate_id]
        crates.unlink()

    def unlink_mark(self, place):
        if mark := self.mark(place):
            self.reference.remove_mark(mark.id)
            mark.unlink()

    def unlink_shelf(self, place):
        if shelf := self.shelf(place):
            self.reference.remove_shelf(shelf.id)
            shelf.unlink()

    def unlink_rack(self, place):
        racks = self.reference.racks
        if racks:
            rack = self.env[RACK].browse(racks[place % len(racks)])
            self.reference.remove_rack(rack.id)
            rack.unlink()

    def flush_records(self):
        self.env.flush_all()

    def flush_cursor(self):
        self.env.cr.flush()

    def forget_cache(self):
        self.env.invalidate_all()

    def begin(self):
        self._begin(flush=True)

    def begin_without_flush(self):
        # what is still in the cache would belong to nobody if the savepoint is rolled back
        self.env.flush_all()
        self._begin(flush=False)

    def _begin(self, flush):
        savepoint = self.env.cr.savepoint(flush=flush)
        self.savepoints.append((savepoint, copy.deepcopy(self.reference)))

    def release(self):
        if self.savepoints:
            savepoint, _reference = self.savepoints.pop()
            savepoint.close(rollback=False)

    def roll_back(self):
        if self.savepoints:
            savepoint, self.reference = self.savepoints.pop()
            # a savepoint without flush leaves the cache to its user
            self.env.transaction.clear()
            savepoint.close(rollback=True)


@tagged("post_install", "-at_install")
class TestProperties(WebhookCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.maxDiff = None
        cls.load_fake_models("fake_store_models", *STORE_MODELS)

    @settings(
        max_examples=250, deadline=None, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    )  # fmt: skip
    @given(st.lists(_STEPS, max_size=25))
    def test_events_are_the_net_change_of_any_transaction(self, steps):
        self._perform(steps)

    def test_a_rolled_back_savepoint_without_flush_brings_earlier_changes_back(self):
        self._perform(
            [
                ("write", [0], {"name": "c"}),
                ("begin_without_flush",),
                ("flush_cursor",),  # writes the event within the savepoint
                ("roll_back",),
            ]
        )

    def test_savepoints_within_a_rolled_back_savepoint_without_flush(self):
        self._perform(
            [
                ("create", {}),
                ("begin_without_flush",),
                ("begin",),
                ("release",),
                ("roll_back",),
            ]
        )

    def test_a_change_within_a_rolled_back_savepoint_without_flush_leaves_no_event(self):
        self._perform(
            [
                ("begin_without_flush",),
                ("write", [0], {"name": "c"}),
                ("create", {"name": "d"}),
                ("unlink_crates", [1]),
                ("flush_cursor",),
                ("roll_back",),
            ]
        )

    def test_a_record_moved_in_the_cache_only_goes_along_with_its_new_parent(self):
        self._perform([("write", [1], {"rack_id": 1}), ("unlink_rack", 1)])

    def test_links_that_are_computed_along_with_another_field(self):
        mark = self.env[MARK].create({"name": "m"})
        sorter = self.env["webhook.fake.sorter"].create({"name": "none"})
        self.forget()
        sorter.name = "m"
        event = self.events(sorter)
        self.assertEqual(json.loads(event.changed_fields), ["amount", "mark_ids", "name"])
        self.assertEqual(self.payload(event)["mark_ids"], mark.ids)
        self.assertEqual(json.loads(event.old_values)["mark_ids"], [])

    def test_links_that_are_computed_without_another_change(self):
        first, second = self.env[MARK].create([{"name": "m"}, {"name": "n"}])
        sorter = self.env["webhook.fake.sorter"].create({"name": "m"})
        self.forget()
        second.name, first.name = "m", "n"
        self.env.add_to_compute(sorter._fields["mark_ids"], sorter)
        self.assertEqual(json.loads(self.events(sorter).changed_fields), ["mark_ids"])

    def _perform(self, steps):
        """Perform steps in a transaction of their own, then undo it."""
        self.forget()
        outermost = Savepoint(self.env.cr)
        try:
            store = Store(self.env)
            store.fill()
            self.forget()
            before = store.reference.snapshot()
            for name, *arguments in steps:
                getattr(store, name)(*arguments)
            while store.savepoints:
                store.release()
            self.assertEqual(self._recorded(), net_changes(before, store.reference.snapshot()))
        finally:
            self.env.cr.clear()
            self.env.cr.postcommit.clear()
            outermost.close(rollback=True)

    def _recorded(self):
        """Return what the events say, in the form of ``net_changes``."""
        self.env.cr.flush()
        self.env.cr.execute(
            "SELECT model, record_id, event, payload, changed_fields, old_values"
            " FROM update_webhook ORDER BY id"
        )
        recorded = {}
        for model, record_id, event, payload, changed, old in self.env.cr.fetchall():
            self.assertNotIn((model, record_id), recorded, "two events of one record")
            old = None if old is None else self._values(old)
            self.assertEqual(sorted(old) if old else None, changed and json.loads(changed))
            recorded[model, record_id] = (event, self._values(payload), old)
        return recorded

    @staticmethod
    def _values(text):
        values = json.loads(text)
        for name in ("create_uid", "create_date", "write_uid", "write_date"):
            values.pop(name, None)
        return {n: v["id"] if isinstance(v, dict) else v for n, v in values.items()}
