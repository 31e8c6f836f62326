from odoo import api, models


class IrRule(models.Model):
    """Lets a change of the rules decide anew which companies see the events of recorded models."""

    _inherit = "ir.rule"

    @api.model_create_multi
    def create(self, vals_list):
        rules = super().create(vals_list)
        self._webhook_rules_changed()
        return rules

    def write(self, vals):
        result = super().write(vals)
        self._webhook_rules_changed()
        return result

    def unlink(self):
        result = super().unlink()
        self._webhook_rules_changed()
        return result

    @api.model
    def _webhook_rules_changed(self):
        if self.pool.ready:  # nothing is kept while modules are loaded
            self.env["webhook.config"]._tracking_changed()
