from odoo.fields import Domain
from odoo.tests import tagged
from odoo.tools import SQL

from ..capture.columns import read_rows
from ..capture.events import EventWriter, NetChange
from ..capture.tracking import make_tracking
from .company_case import CompanyCase

#: Models of which Odoo shows some records to other companies for reasons that the events ignore:
#: the record is (the contact of) a colleague.
_WIDER = frozenset({"res.partner", "res.users"})


@tagged("post_install", "-at_install")
class TestCompanyRules(CompanyCase):
    """Of all installed models, a company sees the events of those records that Odoo shows it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.readers = [cls.of_a, cls.of_b, cls.of_both, cls.of_branch]
        cls.env.flush_all()
        cls.nullable = set()

    def models(self):
        """Return ``{model: whether a rule for everybody names companies}``.

        The others have a field for their companies, and rules for the members of some groups.
        """
        rules = self.env["ir.rule"].search([("global", "=", True), ("perm_read", "=", True)])
        ruled = {rule.model_id.model for rule in rules if "company" in (rule.domain_force or "")}
        found = {"res.company": False}
        for name, model in self.env.items():
            if (
                model._abstract
                or model._transient
                or not (model._auto and model._webhook_recordable)
            ):
                continue
            if name in ruled or ruled.intersection(model._inherits):
                found[name] = True
            elif (field := model._fields.get("company_ids")) and field.type == "many2many":
                found[name] = False
        return found

    def test_nobody_is_shown_more_than_odoo_shows_and_nobody_less(self):
        tested = 0
        for name, is_exact in self.models().items():
            model = self.env[name]
            tracking = make_tracking(
                model,
                events=frozenset({"create"}),
                priority="low",
                category="business",
                instant_send=False,
                include_old_values=True,
            )
            self.assertTrue(tracking.owners, name)
            for companies in (self.a, self.b, self.a + self.b, self.branch, self.a.browse()):
                record = self.record_of(model, tracking, companies)
                if record is None:
                    continue
                event_id = self.event_of(record, tracking)
                for reader in self.readers:
                    told = self.is_told(event_id, reader)
                    shown = self.is_shown(record, reader)
                    tested += 1
                    with self.subTest(
                        model=name,
                        companies=companies.mapped("name"),
                        reader=reader.company_ids.mapped("name"),
                    ):
                        self.assertLessEqual(told, shown)
                        if is_exact and name not in _WIDER:
                            self.assertEqual(told, shown)
        self.assertGreater(tested, 100)

    def record_of(self, model, tracking, companies):
        """Insert a record of these companies, without any other value; None if it cannot be."""
        if model._name == "res.company":
            return companies if len(companies) == 1 else None
        record = model.browse(self.insert(model))
        for owner in tracking.owners:
            if not (owner.is_link or self.own(record, owner.path, companies)):
                return None
        self.env.invalidate_all()
        return record

    def own(self, record, path, companies):
        """Have the value at the end of the path name these companies; return whether it can."""
        name, _dot, rest = path.partition(".")
        field = record._fields[name]
        if rest:
            other = record.env[field.comodel_name]
            other = other.browse(self.insert(other))
            self.set(record, name, other.id)
            return self.own(other, rest, companies)
        if field.type == "many2many":
            for company in companies:
                link = SQL(
                    "INSERT INTO %s (%s, %s) VALUES (%s, %s)",
                    *map(SQL.identifier, (field.relation, field.column1, field.column2)),
                    *(record.id, company.id),
                )
                self.env.cr.execute(link)
            return True
        is_required = field in self.env.registry.not_null_fields
        if len(companies) > 1 or (is_required and not companies):
            return False
        self.set(record, name, companies.id or None)
        return True

    def set(self, record, name, value):
        query = SQL(
            "UPDATE %s SET %s = %s WHERE id = %s",
            *(SQL.identifier(record._table), SQL.identifier(name), value, record.id),
        )
        self.env.cr.execute(query)

    def insert(self, model):
        """Insert a row that holds nothing but its id."""
        table = SQL.identifier(model._table)
        if model._table not in self.nullable:
            self.nullable.add(model._table)
            self.env.cr.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
                " AND is_nullable = 'NO' AND column_name <> 'id'",
                [model._table],
            )
            for (column,) in self.env.cr.fetchall():
                self.env.cr.execute(
                    SQL("ALTER TABLE %s ALTER %s DROP NOT NULL", table, SQL.identifier(column))
                )
        self.env.cr.execute(SQL("INSERT INTO %s DEFAULT VALUES RETURNING id", table))
        return self.env.cr.fetchone()[0]

    def event_of(self, record, tracking):
        """Record the creation of a record, and return the id of the event."""
        rows = read_rows(self.env.cr, tracking.query, record.ids)
        writer = EventWriter(self.env(context={"active_test": False}, su=True))
        writer.add(record, tracking, [NetChange("create", record.id, rows[record.id], {})])
        written, _instant = writer.flush([])
        return written[record._name, record.id]

    def is_told(self, event_id, reader):
        visible = self.env["update.webhook"]._visible("e", reader)
        query = SQL("SELECT id FROM update_webhook e WHERE id = %s AND %s", event_id, visible)
        return bool(self.env.execute_query(query))

    def is_shown(self, record, reader):
        """Return whether Odoo's rules let a user see the record, whatever else it may do."""
        rules = self.env["ir.rule"].with_user(reader)
        rules = rules.with_context(allowed_company_ids=reader.company_ids.ids)
        domain = rules._compute_domain(record._name, "read") & Domain("id", "=", record.id)
        return bool(record.sudo().with_context(active_test=False).search_count(domain))
