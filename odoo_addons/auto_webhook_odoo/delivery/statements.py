"""The SQL statements that schedule deliveries and record what became of them.

The ORM would need several statements for a step, and could not pass over rows that other processes
have locked.
"""

from ..postgres.planned import Planned
from ..wire.visibility import companies_of, visible
from .claiming import CLAIM, CLAIM_NEWEST

_OF_RECEIVER = f"""
    SELECT {companies_of("users.id")} AS companies,
           CASE WHEN users.webhook_scope = 'some' THEN ARRAY(
                SELECT model.model FROM webhook_user_model_rel allowed
                  JOIN ir_model model ON model.id = allowed.ir_model_id
                 WHERE allowed.res_users_id = users.id
           ) END AS models
      FROM res_users users
     WHERE users.id = subscriber.receiver_user_id
"""  # noqa: S608  # constants

# A receiver gets what its user may see and has neither confirmed nor given up. Otherwise it could
# not confirm the event. What another receiver has given up is pushed to it.
#
# Existing deliveries are excluded with NOT EXISTS and not with ON CONFLICT. Under REPEATABLE READ,
# ON CONFLICT fails if the sender has just updated the row, and the user would wait for the retry.
SCHEDULE = Planned(
    "webhook_schedule",
    {"event_ids": "int8[]", "choices": "int[]", "dry_run": "text"},
    "SETOF int",
    f"""
        INSERT INTO webhook_delivery (
            event_id, subscriber_id, model, record_id, attempts, next_attempt_at, state, last_error
        )
        SELECT event.id, subscriber.id, event.model, event.record_id, 0,
               statement_timestamp() AT TIME ZONE 'UTC',
               CASE WHEN subscriber.state = 'dry_run' THEN 'cancelled' ELSE 'pending' END,
               CASE WHEN subscriber.state = 'dry_run' THEN %(dry_run)s END
          FROM unnest(%(event_ids)s, %(choices)s) chosen(event_id, subscriber_id)
          JOIN webhook_subscriber subscriber
            ON subscriber.active AND subscriber.id = coalesce(chosen.subscriber_id, subscriber.id)
          JOIN update_webhook instant ON instant.id = chosen.event_id
          LEFT JOIN LATERAL (
                SELECT earlier.id
                  FROM update_webhook earlier
                 WHERE earlier.model = instant.model AND earlier.record_id = instant.record_id
                   AND earlier.id < instant.id AND earlier.is_processed IS NOT TRUE
                   AND EXISTS (
                        SELECT FROM webhook_delivery known
                         WHERE known.event_id = earlier.id AND known.subscriber_id = subscriber.id
                       )
                 ORDER BY earlier.id DESC
                 LIMIT 1
               ) scheduled ON TRUE  -- all before this one have deliveries already
          JOIN update_webhook event
            ON event.model = instant.model AND event.record_id = instant.record_id
           AND event.id BETWEEN coalesce(scheduled.id + 1, 0) AND instant.id
           AND event.is_processed IS NOT TRUE
           AND (event.failed_at IS NULL OR subscriber.receiver_user_id IS NOT NULL)
           AND event.offered_at IS NULL
          LEFT JOIN LATERAL ({_OF_RECEIVER}) receiver ON subscriber.receiver_user_id IS NOT NULL
         WHERE NOT EXISTS (
                SELECT FROM webhook_delivery known
                 WHERE known.event_id = event.id AND known.subscriber_id = subscriber.id
           )
           AND (subscriber.receiver_user_id IS NULL
                OR {visible("event", "receiver.companies", "receiver.models")}
                AND NOT EXISTS (
                    SELECT FROM webhook_confirmation confirmed
                      JOIN webhook_consumer consumer ON consumer.id = confirmed.consumer_id
                     WHERE confirmed.event_id = event.id
                       AND consumer.user_id = subscriber.receiver_user_id
                   ))
        ON CONFLICT DO NOTHING
        RETURNING subscriber_id
    """,  # noqa: S608  # constants
)

#: Seconds by which the next attempt of a delivery that goes before all others lies in the past.
AHEAD = 3600

# A delivery that an endpoint accepted is recorded as delivered in any case. Every other outcome
# counts only while this process still holds the lease: another process that has claimed the
# delivery since will record its own outcome.
RECORD = Planned(
    "webhook_record",
    {
        "id": "int8[]",
        **dict.fromkeys(("attempts", "suspected", "failed_epoch", "status"), "int[]"),
        **dict.fromkeys(("state", "error"), "text[]"),
        "delay": "float[]",
        "leased_until": "timestamp",
    },
    "TABLE (id int8, state varchar)",
    """
        WITH outcome AS (
            SELECT * FROM unnest(
                %(id)s, %(state)s, %(attempts)s, %(suspected)s, %(failed_epoch)s, %(delay)s,
                %(status)s, %(error)s
            ) AS outcome(id, state, attempts, suspected, failed_epoch, delay, status, error)
        )
        UPDATE webhook_delivery delivery
           SET state = outcome.state,
               attempts = outcome.attempts,
               suspected = outcome.suspected,
               failed_epoch = outcome.failed_epoch,
               next_attempt_at = statement_timestamp() AT TIME ZONE 'UTC'
                   + make_interval(secs => outcome.delay),
               leased_until = NULL,
               last_status = outcome.status,
               last_error = outcome.error,
               delivered_at = CASE WHEN outcome.state = 'delivered'
                   THEN statement_timestamp() AT TIME ZONE 'UTC' END,
               died_at = CASE WHEN outcome.state = 'dead'
                   THEN statement_timestamp() AT TIME ZONE 'UTC' END
          FROM outcome
         WHERE delivery.id = outcome.id
           AND delivery.id = ANY(%(id)s)  -- otherwise the planner reads the whole table
           AND (outcome.state = 'delivered'
                OR delivery.state = 'pending' AND delivery.leased_until = %(leased_until)s)
        RETURNING delivery.id, delivery.state
    """,
)

# The suspects among the deliveries of an endpoint that are not being sent (``blame``): each is to
# blame, and uses up an attempt ...
CONVICT = """
    UPDATE webhook_delivery
       SET attempts = attempts + 1, suspected = 0,
           state = CASE WHEN attempts + 1 >= %(max_attempts)s THEN 'dead' ELSE state END,
           died_at = CASE WHEN attempts + 1 >= %(max_attempts)s
                          THEN statement_timestamp() AT TIME ZONE 'UTC' END
     WHERE subscriber_id = %(subscriber_id)s AND suspected > 0 AND state = 'pending'
       AND leased_until IS NULL AND NOT id = ANY(%(attempted)s)
    RETURNING id, state
"""

# ... or none is.
ACQUIT = f"""
    UPDATE webhook_delivery
       SET suspected = 0,
           next_attempt_at = statement_timestamp() AT TIME ZONE 'UTC'
               - make_interval(secs => {AHEAD})
     WHERE subscriber_id = %(subscriber_id)s AND suspected > 0 AND state = 'pending'
       AND leased_until IS NULL AND NOT id = ANY(%(attempted)s)
"""  # noqa: S608  # a constant

# They were the first, and go first again. Otherwise the later ones of their records would be
# claimed before them, only to be put off.
RELEASE = f"""
    UPDATE webhook_delivery
       SET next_attempt_at = statement_timestamp() AT TIME ZONE 'UTC'
               - make_interval(secs => {AHEAD}),
           leased_until = NULL
     WHERE id = ANY(%s) AND state = 'pending' AND leased_until = %s
"""  # noqa: S608  # a constant

# Must run in a transaction of its own, after the one that settled the deliveries. It then sees
# deliveries that began to wait before that, and waits for rows that another process is just putting
# off. The past hour sorts the woken deliveries before the later ones of their record. No delivery
# waits for a replay.
WAKE_LATER = Planned(
    "webhook_wake_later",
    {"settled": "int8[]"},
    "SETOF int8",
    f"""
        UPDATE webhook_delivery
           SET next_attempt_at = least(
                   next_attempt_at,
                   statement_timestamp() AT TIME ZONE 'UTC' - make_interval(secs => {AHEAD})
               )
         WHERE id = ANY(ARRAY(
                SELECT later.id
                  FROM (
                        SELECT subscriber_id, model, record_id, max(event_id) AS event_id
                          FROM webhook_delivery
                         WHERE id = ANY(%(settled)s) AND replayed IS NOT TRUE
                         GROUP BY subscriber_id, model, record_id
                       ) settled
                 CROSS JOIN LATERAL (
                        SELECT id
                          FROM webhook_delivery
                         WHERE subscriber_id = settled.subscriber_id AND state = 'pending'
                           AND model = settled.model AND record_id = settled.record_id
                           AND event_id > settled.event_id AND leased_until IS NULL
                         ORDER BY event_id
                         LIMIT 100
                       ) later
               ))
           AND state = 'pending' AND leased_until IS NULL
        RETURNING id
    """,  # noqa: S608  # a constant
)

PLANNED = (SCHEDULE, CLAIM, CLAIM_NEWEST, RECORD, WAKE_LATER)
