from . import capture, controllers, delivery, models, postgres, wire, wizards
from .hooks import post_init_hook, uninstall_hook
