# mypy: ignore-errors
import requests

from odoo import api, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        for record, values in zip(records, vals_list, strict=True):
            record.with_delay().bench_send(values)
        return records

    def bench_send(self, values):
        """Post a new contact, as Odoo's own webhook does."""
        url = self.env["ir.config_parameter"].sudo().get_param("bench_push.url")
        body = {"_model": self._name, "_id": self.id, **values}
        requests.post(url, json=body, timeout=10).raise_for_status()
