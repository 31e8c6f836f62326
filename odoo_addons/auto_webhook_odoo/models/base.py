from odoo import api, models

from ..capture.changes import TransactionChanges


class Base(models.AbstractModel):
    """Notices what the ORM does to records of tracked models.

    These are the innermost methods through which all changes pass (odoo/orm/models.py):
    ``_create`` is the one INSERT, ``_write_multi`` the one UPDATE (recomputed fields included),
    ``unlink`` the one DELETE. ``write`` is needed for many2many links, which are no columns.
    """

    _inherit = "base"

    #: False for the models of this addon: recording them would record the recording itself
    _webhook_recordable = True

    @api.model
    def _create(self, data_list):
        records = super()._create(data_list)
        if self._webhook_tracking():
            TransactionChanges.of(self.env.cr).note_created(records)
        return records

    def write(self, vals):
        if (tracking := self._webhook_tracking()) and any(
            (field := self._fields.get(name)) and field.type == "many2many" and field.store
            for name in vals
        ):
            TransactionChanges.of(self.env.cr).note_changing(self, tracking)
        return super().write(vals)

    def _write_multi(self, vals_list):
        if self and (tracking := self._webhook_tracking()):
            TransactionChanges.of(self.env.cr).note_changing(self, tracking)
        return super()._write_multi(vals_list)

    def unlink(self):
        if self and (tracking := self._webhook_tracking()):
            TransactionChanges.of(self.env.cr).note_changing(self, tracking)
        return super().unlink()

    def _webhook_tracking(self):
        """Return how this model is recorded (``capture.tracking.Tracking``), or None."""
        if self._abstract or self._transient or not self._webhook_recordable:
            return None
        return self.env["webhook.config"]._tracking(self._name)
