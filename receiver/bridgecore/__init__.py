"""BridgeCore: receives the changes of Odoo databases, each once and in order.

This package exports what handler modules need. All other modules are internal to the receiver.
"""

from bridgecore.concurrency import run_async
from bridgecore.events import Event
from bridgecore.handling.registry import on

__all__ = ["Event", "on", "run_async"]
