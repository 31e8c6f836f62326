"""Models of several companies for the property-based tests: chests with drawers, and ledgers.

Import it after ``FakeModelLoader.backup_registry()``.
"""

from odoo import fields, models


class FakeChest(models.Model):
    _name = "webhook.fake.chest"
    _description = "Fake Chest"
    _inherit = ["webhook.mixin"]
    _webhook_payload_fields = ("name",)

    name = fields.Char()
    company_id = fields.Many2one("res.company")


class FakeDrawer(models.Model):
    """Belongs to the company of its chest."""

    _name = "webhook.fake.drawer"
    _description = "Fake Drawer"
    _inherit = ["webhook.mixin"]
    _webhook_payload_fields = ("name",)

    name = fields.Char()
    chest_id = fields.Many2one("webhook.fake.chest", ondelete="set null")


class FakeLedger(models.Model):
    """Belongs to several companies, or to nobody."""

    _name = "webhook.fake.ledger"
    _description = "Fake Ledger"
    _inherit = ["webhook.mixin"]
    _webhook_payload_fields = ("name", "company_ids")

    name = fields.Char()
    company_ids = fields.Many2many("res.company")
