"""Models that exist only in tests. Import them after ``FakeModelLoader.backup_registry()``."""

from odoo import api, fields, models


class FakeTag(models.Model):
    _name = "webhook.fake.tag"
    _description = "Fake Tag"

    name = fields.Char()


class FakeShipment(models.Model):
    _name = "webhook.fake.shipment"
    _description = "Fake Shipment"
    _inherit = ["webhook.mixin"]
    _webhook_priority = "high"
    _webhook_instant_send = True
    _webhook_category = "custom"

    name = fields.Char()
    weight = fields.Float()
    count = fields.Integer()
    is_heavy = fields.Boolean(compute="_compute_is_heavy", store=True)
    tag_ids = fields.Many2many("webhook.fake.tag")
    access_token = fields.Char()
    note = fields.Char(groups="base.group_system")

    @api.depends("weight")
    def _compute_is_heavy(self):
        for shipment in self:
            shipment.is_heavy = shipment.weight > 100


class FakeQuietShipment(models.Model):
    _name = "webhook.fake.quiet"
    _description = "Fake Model with other Defaults"
    _inherit = ["webhook.mixin"]
    _webhook_events = ("unlink",)
    _webhook_payload_fields = ("name",)

    name = fields.Char()
    weight = fields.Float()
