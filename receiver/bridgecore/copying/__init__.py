"""Copies records of one model between two Odoo databases, for `sync_data`.

In come two Odoo databases, a model and a filter. Out go created and updated records, and a result
that counts them. Nothing is stored in Redis.
"""

from bridgecore.copying.copying import Copying
from bridgecore.copying.result import Result

__all__ = ["Copying", "Result"]
