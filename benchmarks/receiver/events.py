"""Events as Odoo pushes them."""

from __future__ import annotations

import json
from typing import Any

SOURCE = "0c5d4f6a-0000-4000-8000-000000000001"
#: an Odoo with so many records that change
RECORDS = 2000


def event(number: int, model: str = "bench.load") -> dict[str, Any]:
    """About what a sales order has: 600 bytes."""
    moment = f"2026-01-31T12:{number // 60_000_000 % 60:02}:{number // 1_000_000 % 60:02}"
    return {
        "event_id": number + 1,
        "source": SOURCE,
        "model": model,
        "record_id": number % RECORDS + 1,
        "event": "write",
        "timestamp": f"{moment}.{number % 1_000_000:06}Z",
        "priority": "high" if model == "bench.idle" else "medium",
        "category": "business",
        "payload": {
            "name": f"SO{number:06}",
            "state": "sale",
            "amount_total": 1234.5,
            "partner_id": {"id": 7, "name": "Azure Interior"},
            "date_order": "2026-01-31T12:00:00Z",
            "tag_ids": [1, 2, 3],
            "company_id": {"id": 1, "name": "My Company"},
        },
        "changed_fields": ["state"],
        "old_values": {"state": "draft"},
        "user_id": 2,
        "user_name": "Mitchell Admin",
        "company_id": 1,
    }


def bodies(first: int, count: int, size: int) -> list[bytes]:
    """`count` events from number `first` on: one per body, or batches of `size`."""
    if size == 1:
        return [json.dumps(event(n)).encode() for n in range(first, first + count)]
    return [
        json.dumps(
            {"source": SOURCE, "events": [event(n) for n in range(start, start + size)]}
        ).encode()
        for start in range(first, first + count, size)
    ]
