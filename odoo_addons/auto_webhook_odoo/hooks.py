"""What Odoo calls when the addon is installed or uninstalled (``__manifest__.py``)."""

from .capture import statements as capture_statements
from .delivery import statements as delivery_statements
from .postgres import place


def post_init_hook(env):
    """Note where the database is, so that a copy of it can tell that it is one."""
    env["webhook.place"]._check()


def uninstall_hook(env):
    """Stop recording, and remove what Odoo does not know of and would leave behind.

    Odoo changes records while it uninstalls an addon. Without the first step these changes would
    be recorded while the tables for them are being removed.
    """
    env["webhook.config"]._stop_recording()
    env["ir.config_parameter"].search([("key", "=like", "auto_webhook_odoo.%")]).unlink()
    for statement in (*capture_statements.PLANNED, *delivery_statements.PLANNED):
        statement.drop(env.cr)
    place.drop(env.cr)
