import logging

from odoo import models

_logger = logging.getLogger(__name__)

_LISTS = ("payload_field_ids", "trigger_field_ids", "instant_field_ids")


class IrModelFields(models.Model):
    """Keeps configurations right when fields are removed."""

    _inherit = "ir.model.fields"

    def unlink(self):
        """Stop recording a model if the last of the fields that were chosen for it is removed.

        An empty choice would mean all fields. Fields are removed, for example, when their module is
        uninstalled.
        """
        configs = self.env["webhook.config"].sudo()
        if not configs._is_installed():  # this addon itself is being uninstalled
            return super().unlink()
        for config in configs.search([("active", "=", True)]):
            if any(config[name] and config[name] <= self for name in _LISTS):
                _logger.warning(
                    "%s is no longer recorded, because the fields chosen for it were removed.",
                    config.model_name,
                )
                config.active = False
        return super().unlink()
