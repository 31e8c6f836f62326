from . import capture, controllers, delivery, models, wire, wizards
