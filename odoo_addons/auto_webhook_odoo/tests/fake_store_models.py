"""A small store for the property-based tests: crates on shelves, in racks, with marks.

Import it after ``FakeModelLoader.backup_registry()``.
"""

from odoo import api, fields, models


class FakeRack(models.Model):
    _name = "webhook.fake.rack"
    _description = "Fake Rack"

    name = fields.Char()


class FakeMark(models.Model):
    _name = "webhook.fake.mark"
    _description = "Fake Mark"

    name = fields.Char()
    crate_ids = fields.Many2many(
        "webhook.fake.crate", "webhook_fake_crate_mark_rel", "mark_id", "crate_id"
    )


class FakeShelf(models.Model):
    _name = "webhook.fake.shelf"
    _description = "Fake Shelf"
    _inherit = ["webhook.mixin"]
    _webhook_payload_fields = ("name", "crate_ids")

    name = fields.Char()
    crate_ids = fields.One2many("webhook.fake.crate", "shelf_id")


class FakeCrate(models.Model):
    _name = "webhook.fake.crate"
    _description = "Fake Crate"
    _inherit = ["webhook.mixin"]

    name = fields.Char()
    count = fields.Integer()
    doubled = fields.Integer(compute="_compute_doubled", store=True)
    mark_ids = fields.Many2many(
        "webhook.fake.mark", "webhook_fake_crate_mark_rel", "crate_id", "mark_id"
    )
    shelf_id = fields.Many2one("webhook.fake.shelf", ondelete="set null")
    shelf_name = fields.Char(related="shelf_id.name", string="Name of the Shelf", store=True)
    rack_id = fields.Many2one("webhook.fake.rack", ondelete="cascade")

    @api.depends("count")
    def _compute_doubled(self):
        for crate in self:
            crate.doubled = 2 * crate.count


class FakeSorter(models.Model):
    """One compute method for a number and for links."""

    _name = "webhook.fake.sorter"
    _description = "Fake Sorter"
    _inherit = ["webhook.mixin"]

    name = fields.Char()
    amount = fields.Integer(compute="_compute_sorted", store=True)
    mark_ids = fields.Many2many("webhook.fake.mark", compute="_compute_sorted", store=True)

    @api.depends("name")
    def _compute_sorted(self):
        for sorter in self:
            marks = self.env["webhook.fake.mark"].search([("name", "=", sorter.name)])
            sorter.amount = len(marks)
            sorter.mark_ids = marks
