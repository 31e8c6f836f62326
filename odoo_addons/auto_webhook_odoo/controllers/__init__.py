from . import devices, feed
