"""What is done in a variant's database. Runs inside Odoo's shell."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from benchmarks.push.variants import VARIANTS

# Behind the ORM's back: a million events would take it minutes. Each of 200,000 contacts has
# several; what is there already stays, and is of others: later events of its contacts would wait.
_FILL = """
    WITH event AS (
        INSERT INTO update_webhook (
            model, event, record_id, payload, priority, category, timestamp, user_id, is_processed
        )
        SELECT 'res.partner', 'write',
               ((SELECT coalesce(max(id), 0) FROM update_webhook) + number) %% 200000,
               '{"name":"Contact"}', 'high', 'business', now() AT TIME ZONE 'UTC', 2, FALSE
          FROM generate_series(
                    1, %(waiting)s - (SELECT count(*) FROM webhook_delivery WHERE state = 'pending')
               ) AS number
        RETURNING id, model, record_id
    )
    INSERT INTO webhook_delivery (
        event_id, subscriber_id, model, record_id, attempts, state, next_attempt_at
    )
    SELECT id, %(subscriber_id)s, model, record_id, 0, 'pending',
           now() AT TIME ZONE 'UTC' - interval '1 hour'
      FROM event
"""


def prepare(env: Any, variant: str, url: str) -> str:
    """Have contacts told to the endpoint; returns an administrator's API key."""
    VARIANTS[variant].prepare(env, url)
    admin = env.ref("base.user_admin")
    # sudo: only a system administrator may make keys that do not expire
    keys = env["res.users.apikeys"].with_user(admin).sudo()
    key: str = keys._generate("rpc", "benchmark", None)
    env.cr.commit()
    return key


def claim_times(env: Any, waiting: int, claims: int) -> list[float]:
    """Have so many deliveries wait, and claim full batches of them; returns milliseconds."""
    # only Odoo has it
    from odoo.addons.auto_webhook_odoo.delivery.database import (  # type: ignore[import-not-found]
        Database,
    )

    subscriber = env["webhook.subscriber"].search([])
    size = subscriber.batch_size
    env.cr.execute(_FILL, {"waiting": waiting, "subscriber_id": subscriber.id})
    env.cr.commit()
    times = []
    with closing(Database(env.cr.dbname)) as database:
        for _claim in range(claims):
            with database.transaction(each_statement=True) as own:
                started = time.perf_counter()
                claim = own["webhook.delivery"]._claim(subscriber.id)
                times.append(1000 * (time.perf_counter() - started))
            if len(claim.deliveries) < size:
                raise RuntimeError(f"{len(claim.deliveries)} were claimed")
    return times
