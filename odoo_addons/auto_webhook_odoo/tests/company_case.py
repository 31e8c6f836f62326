from odoo import Command

from .common import FeedCase


class CompanyCase(FeedCase):
    """Readers of the companies A and B, of both, and of a branch of B."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        companies = cls.env["res.company"]
        cls.a, cls.b = companies.create([{"name": "A Ltd"}, {"name": "B Ltd"}])
        cls.branch = companies.create({"name": "Branch of B", "parent_id": cls.b.id})
        cls.of_a = cls.reader("a", cls.a)
        cls.of_b = cls.reader("b", cls.b)
        cls.of_both = cls.reader("both", cls.a + cls.b)
        cls.of_branch = cls.reader("branch", cls.branch)
        cls.Partner = cls.env["res.partner"].with_context(tracking_disable=True)
        cls.env.cr.flush()
        cls.env["update.webhook"].search([]).unlink()

    @classmethod
    def reader(cls, name, companies):
        return cls.webhook_user(
            "receiver",
            f"reader {name}",
            company_id=companies[0].id,
            company_ids=[Command.set(companies.ids)],
        )

    def told(self, user, record=None, **filters):
        """Return the events that a reader gets, of one record or of all."""
        events = self.pull(user=user, **filters)["events"]
        return [e for e in events if record is None or e["record_id"] == record.id]

    def last(self, user, record, **filters):
        return self.told(user, record, **filters)[-1]

    def partner(self, company=None, **values):
        """Return a contact that an earlier transaction has created."""
        partner = self.Partner.create({"name": "Ada", "company_id": company and company.id})
        partner.write(values)
        self.next_transaction()
        return partner

    def moved(self, company, target, **values):
        """Return a contact that has moved to another company."""
        partner = self.partner(company)
        partner.write({"company_id": target and target.id, **values})
        self.next_transaction()
        return partner
