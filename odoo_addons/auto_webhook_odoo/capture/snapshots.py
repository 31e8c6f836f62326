"""Reads records as changes that show the records as they are now, and are marked as such."""

from .columns import read_rows
from .events import NetChange


def snapshots(cr, tracking, ids):
    """Return a ``NetChange`` for each of these records that exists, in the order of the ids."""
    rows = read_rows(cr, tracking.query, ids)
    return [
        NetChange("create", record_id, rows[record_id], {}, metadata={"snapshot": True})
        for record_id in ids
        if record_id in rows
    ]
