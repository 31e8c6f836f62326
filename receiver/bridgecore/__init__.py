"""BridgeCore: receives the changes of Odoo databases, each once and in order.

What a module of handlers needs is here; everything else is the service's own.
"""

from bridgecore.concurrency import run_async
from bridgecore.events import Event
from bridgecore.handling.registry import on

__all__ = ["Event", "on", "run_async"]
