from . import capture, controllers, delivery, models, wire, wizards
from .delivery.statements import PLANNED
from .models.update_webhook import INSERT_EVENTS


def uninstall_hook(env):
    """Stop recording, for the uninstallation changes records, too; remove what Odoo cannot know."""
    env["webhook.config"]._stop_recording()
    env["ir.config_parameter"].search([("key", "=like", "auto_webhook_odoo.%")]).unlink()
    for statement in (INSERT_EVENTS, *PLANNED):
        statement.drop(env.cr)
