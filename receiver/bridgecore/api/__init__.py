"""The HTTP API of the receiver: one module for each kind of route.

In come HTTP requests. Out go accepted events, and answers that show what is in Redis.
"""

from bridgecore.api.app import create_app

__all__ = ["create_app"]
