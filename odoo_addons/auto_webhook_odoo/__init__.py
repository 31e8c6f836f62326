from . import capture, controllers, delivery, models, wire, wizards
from .delivery.statements import PLANNED
from .models.update_webhook import INSERT_EVENTS


def uninstall_hook(env):
    """Remove what Odoo does not know of."""
    for statement in (INSERT_EVENTS, *PLANNED):
        statement.drop(env.cr)
