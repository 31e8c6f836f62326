"""Copies records of one model between two Odoo databases."""

from bridgecore.copying.copying import Copying, Result

__all__ = ["Copying", "Result"]
