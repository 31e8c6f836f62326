from . import capture, controllers, delivery, models, postgres, wire, wizards
from .hooks import uninstall_hook
