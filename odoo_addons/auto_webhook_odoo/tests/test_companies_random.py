"""Random moves between companies: every reader ends with what Odoo shows it, and saw no more."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import Command
from odoo.fields import Domain
from odoo.sql_db import Savepoint
from odoo.tests import tagged

from .company_case import CompanyCase

CHEST, DRAWER, LEDGER = "webhook.fake.chest", "webhook.fake.drawer", "webhook.fake.ledger"
RULES = {
    CHEST: "[('company_id', 'in', company_ids + [False])]",
    DRAWER: "['|', ('chest_id.company_id', '=', False),"
    " ('chest_id.company_id', 'parent_of', company_ids)]",
    LEDGER: "[('company_ids', 'in', company_ids)]",
}

_PLACE = st.integers(0, 3)
_COMPANIES = st.lists(st.integers(0, 2), max_size=2, unique=True)
_STEPS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from([*RULES]), _COMPANIES),
    st.tuples(st.just("move"), st.sampled_from([*RULES]), _PLACE, _COMPANIES),
    st.tuples(st.just("move_and_rename"), st.sampled_from([*RULES]), _PLACE, _COMPANIES),
    st.tuples(st.just("rename"), st.sampled_from([*RULES]), _PLACE),
    st.tuples(st.just("unlink"), st.sampled_from([*RULES]), _PLACE),
    st.tuples(st.just("commit")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("read"), _PLACE),
)


class Reader:
    """Follows the feed, and keeps the name of each record that is there for it."""

    def __init__(self, user):
        self.user = user
        self.cursor = 0
        self.known = {}  # {(model, id): name}
        self.seen = set()  # all names that it was ever told

    def take(self, event):
        key = event["model"], event["record_id"]
        values = (event["payload"], event["old_values"] or {})
        self.seen.update(value["name"] for value in values if "name" in value)
        if event["event"] == "unlink":
            self.known.pop(key, None)
        else:
            self.known[key] = event["payload"]["name"]


@tagged("post_install", "-at_install")
class TestCompaniesAtRandom(CompanyCase):
    # pylint: disable=method-required-super  # these are no models' methods

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config.active = False
        cls.load_fake_models("fake_company_models", "FakeChest", "FakeDrawer", "FakeLedger")
        for model, domain in RULES.items():
            cls.env["ir.rule"].create(
                {
                    "name": "Companies",
                    "model_id": cls.env["ir.model"]._get_id(model),
                    "domain_force": domain,
                }
            )
        cls.companies = cls.a + cls.b + cls.branch
        cls.users = cls.of_a + cls.of_b + cls.of_both + cls.of_branch

    @settings(
        max_examples=60, deadline=None, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    )  # fmt: skip
    @given(st.lists(_STEPS, max_size=25))
    def test_readers_end_with_what_odoo_shows_them_and_saw_no_more(self, steps):
        self.forget()
        outermost = Savepoint(self.env.cr)
        try:
            self.readers = [Reader(user) for user in self.users]
            self.allowed = [set() for _user in self.users]
            self.names = (str(number) for number in itertools.count())
            for model in RULES:
                for companies in ([], [0], [1]):
                    self.create(model, companies)
            for name, *arguments in [*steps, ("commit",)]:
                getattr(self, name)(*arguments)
            for place, reader in enumerate(self.readers):
                self.read(place)
                self.assertEqual(reader.known, self.shown(reader.user))
                self.assertLessEqual(reader.seen, self.allowed[place])
        finally:
            self.env.cr.clear()
            self.env.cr.postcommit.clear()
            outermost.close(rollback=True)

    def create(self, model, companies):
        self.env[model].create({"name": next(self.names), **self.owner(model, companies)})

    def move(self, model, place, companies):
        if record := self.at(model, place):
            record.write(self.owner(model, companies))

    def move_and_rename(self, model, place, companies):
        self.move(model, place, companies)
        self.rename(model, place)

    def rename(self, model, place):
        if record := self.at(model, place):
            record.name = next(self.names)

    def unlink(self, model, place):
        self.at(model, place).unlink()

    def commit(self):
        self.next_transaction()
        for place, user in enumerate(self.users):
            self.allowed[place].update(self.shown(user).values())

    def read(self, place):
        """Have a reader read all that is committed."""
        self.commit()
        reader = self.readers[place]
        page = self.pull(reader.cursor, 1000, reader.user)
        reader.cursor = page["last_id"]
        for event in page["events"]:
            reader.take(event)

    def owner(self, model, places):
        """Return the values that give a record to companies; a drawer goes to some chest."""
        companies = self.companies.browse([self.companies[place].id for place in places])
        if model == CHEST:
            return {"company_id": companies[:1].id}
        if model == LEDGER:
            return {"company_ids": [Command.set(companies.ids)]}
        return {"chest_id": places and self.at(CHEST, places[0]).id}

    def at(self, model, place):
        records = self.env[model].search([], order="id")
        return records[place % len(records)] if records else records

    def shown(self, user):
        """Return ``{(model, id): name}`` of the records that Odoo shows a user."""
        rules = self.env["ir.rule"].with_user(user)
        rules = rules.with_context(allowed_company_ids=user.company_ids.ids)
        return {
            (model, record.id): record.name
            for model in RULES
            for record in self.env[model].search(Domain(rules._compute_domain(model, "read")))
        }
