from odoo import api, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        for record, values in zip(records, vals_list, strict=True):
            record.with_delay().bench_send(event="create", values=values)
        return records

    def write(self, vals):
        result = super().write(vals)
        for record in self:
            record.with_delay().bench_send(event="write", values=vals)
        return result

    def unlink(self):
        for record in self:
            record.with_delay().bench_send(event="unlink", values={})
        return super().unlink()

    def bench_send(self, event, values):
        """What the job would do: post the change to a webhook."""
