"""The HTTP side of the receiver: one module per kind of route."""

from bridgecore.api.app import create_app

__all__ = ["create_app"]
