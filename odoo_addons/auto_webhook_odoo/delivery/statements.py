"""The SQL statements that schedule, claim and record deliveries, one statement for each step.

The ORM would need several statements for a step, and could not pass over rows that other processes
have locked.
"""

from ..postgres.planned import Planned
from ..wire.event import EVENT_NAME, EVENT_TABLES, event_json
from .blame import MOST_SUSPECTS
from .endpoint import COLUMNS

# Existing deliveries are excluded with NOT EXISTS and not with ON CONFLICT. Under REPEATABLE READ,
# ON CONFLICT fails if the sender has just updated the row, and the user would wait for the retry.
SCHEDULE = Planned(
    "webhook_schedule",
    {"event_ids": "int[]", "choices": "int[]", "dry_run": "text"},
    "SETOF int",
    """
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
           AND event.failed_at IS NULL AND event.offered_at IS NULL
         WHERE NOT EXISTS (
                SELECT FROM webhook_delivery known
                 WHERE known.event_id = event.id AND known.subscriber_id = subscriber.id
           )
        ON CONFLICT DO NOTHING
        RETURNING subscriber_id
    """,
)

#: The settings of a subscriber as columns, in the order of ``Endpoint``.
ENDPOINT = ", ".join(f"{expression} AS {name}" for name, (_type, expression) in COLUMNS.items())

#: Seconds by which the next attempt of a delivery that goes before all others lies in the past.
AHEAD = 3600

_IS_WATCHED = "(coalesce(consecutive_failures, 0) > 0 OR coalesce(rate_limit, 0) > 0)"

# An endpoint that is away gets one delivery as a probe, and one that is in doubt as many as decide
# whether it is away. Every second probe, beginning with the first, is a new event: those that
# failed before may all be bad.


def _admitted(condition):
    return f"""
            SELECT id, coalesce(consecutive_failures, 0) AS failures,
                   coalesce(pauses, 0) > 0 AS away, mod(coalesce(pauses, 0), 2) = 1 AS newest_first,
                   coalesce(epoch, 1) AS epoch, coalesce(rate_limit, 0) AS rate_limit,
                   CASE WHEN greatest(paused_until, next_batch_at)
                             > statement_timestamp() AT TIME ZONE 'UTC' THEN 0
                        WHEN pauses > 0 THEN 1
                        ELSE least(
                            CASE WHEN consecutive_failures > 0 THEN {MOST_SUSPECTS}
                                 ELSE coalesce(nullif(batch_limit, 0), batch_size * %(messages)s)
                                 END,
                            nullif(rate_limit, 0)
                        )
                   END AS most,
                   receiver_user_id,
                   {ENDPOINT}
              FROM webhook_subscriber
             WHERE id = %(subscriber_id)s AND active AND state = 'enabled' AND {condition}
    """  # noqa: S608  # constants


# The row of an endpoint that fails or has a rate limit is locked. Otherwise two processes could
# both send the one probe, or each send the events of a whole second. The lock is not FOR UPDATE,
# which would block transactions that create deliveries for the endpoint.
#
# The statement leases the first due deliveries in the order of the index, so its cost does not
# depend on how many wait. A delivery may have an earlier one of its record elsewhere: leased by
# another process, or waiting for its retry. It is then put off until the earlier one is due; when
# that one is settled, it wakes the later ones. LATERAL and arrays are there because the planner has
# no statistics of a table that has just been filled.
#
# If a receiver is behind the endpoint, the deliveries of events that it has confirmed through the
# feed are cancelled instead. A probe and a rate limit lease few deliveries, and many may be
# confirmed. So the statement always looks at as many as a claim may hold.
#
# Only the first row has the settings of the endpoint.
#
# The commit does not wait for the disk. If PostgreSQL crashes and forgets a lease, the delivery is
# sent again, as after a crash of the sender.
CLAIM = Planned(
    "webhook_claim",
    {
        **dict.fromkeys(("subscriber_id", "messages"), "int"),
        **dict.fromkeys(("margin", "overrun"), "float"),
        "confirmed": "text",
    },
    f"TABLE ({', '.join(f'{name} {sql_type}' for name, (sql_type, _) in COLUMNS.items())},"
    " failures int, away bool, epoch int, suspects bigint,"
    " id int, attempts int, suspected int, failed_epoch int, replayed bool,"
    " event_id int, model varchar, record_id int,"
    " event_name text, event text, leased_until timestamp, held bool, confirmed bool)",
    f"""
        WITH watched AS ({_admitted(_IS_WATCHED)}
               FOR NO KEY UPDATE SKIP LOCKED
        ),
        endpoint AS (
            SELECT * FROM watched
             UNION ALL {_admitted("NOT " + _IS_WATCHED)}
        ),
        lease AS (
            SELECT statement_timestamp() AT TIME ZONE 'UTC'
                   + make_interval(secs => %(margin)s + timeout + %(overrun)s) AS until,
                   set_config('synchronous_commit', 'off', TRUE)
              FROM endpoint
        ),
        newest AS (
            SELECT id, model, record_id, event_id, attempts, suspected, failed_epoch, replayed,
                   next_attempt_at
              FROM webhook_delivery later
             WHERE subscriber_id = %(subscriber_id)s AND state = 'pending'
               AND next_attempt_at <= statement_timestamp() AT TIME ZONE 'UTC'
               AND coalesce(failed_epoch, 0) = 0
               AND NOT EXISTS (
                    SELECT FROM webhook_delivery
                     WHERE subscriber_id = %(subscriber_id)s AND state = 'pending'
                       AND model = later.model AND record_id = later.record_id
                       AND event_id < later.event_id
                   )
             ORDER BY next_attempt_at DESC, event_id DESC
             LIMIT coalesce(
                       (SELECT CASE WHEN away AND newest_first THEN least(most, 1) ELSE 0 END
                          FROM endpoint),
                       0
                   )
               FOR NO KEY UPDATE SKIP LOCKED
        ),
        first AS (
            SELECT id, model, record_id, event_id, attempts, suspected, failed_epoch, replayed,
                   next_attempt_at
              FROM webhook_delivery
             WHERE subscriber_id = %(subscriber_id)s AND state = 'pending'
               AND next_attempt_at <= statement_timestamp() AT TIME ZONE 'UTC'
             ORDER BY next_attempt_at, event_id
             LIMIT coalesce(
                       (SELECT CASE WHEN EXISTS (
                                        SELECT FROM newest
                                          JOIN update_webhook event ON event.id = newest.event_id
                                         WHERE receiver_user_id IS NULL
                                            OR event.confirmed_by_id
                                               IS DISTINCT FROM receiver_user_id
                                    ) THEN 0
                                    WHEN most > 0 AND receiver_user_id IS NOT NULL
                                    THEN greatest(most, batch_size * %(messages)s)
                                    ELSE most END
                          FROM endpoint),
                       0
                   )
               FOR NO KEY UPDATE SKIP LOCKED
        ),
        candidate AS (
            SELECT * FROM newest UNION ALL SELECT * FROM first
        ),
        confirmed AS (
            SELECT candidate.id
              FROM endpoint
             CROSS JOIN candidate
             WHERE endpoint.receiver_user_id IS NOT NULL
               AND candidate.replayed IS NOT TRUE
               AND endpoint.receiver_user_id = (
                    SELECT confirmed_by_id FROM update_webhook WHERE id = candidate.event_id
                   )
        ),
        cancelled AS (
            UPDATE webhook_delivery
               SET state = 'cancelled', leased_until = NULL, last_error = %(confirmed)s
             WHERE id = ANY(ARRAY(SELECT id FROM confirmed))
        ),
        due AS (
            SELECT *
              FROM candidate
             WHERE id NOT IN (SELECT id FROM confirmed)
             ORDER BY next_attempt_at, event_id
             LIMIT (SELECT most FROM endpoint)
        ),
        held AS (
            SELECT due.id, earlier.next_attempt_at
              FROM due
             CROSS JOIN LATERAL (
                    SELECT CASE WHEN leased_until IS NULL THEN next_attempt_at
                                ELSE least(next_attempt_at, statement_timestamp()
                                           AT TIME ZONE 'UTC' + interval '5 seconds')
                           END AS next_attempt_at  -- it may just have been settled
                      FROM webhook_delivery
                     WHERE subscriber_id = %(subscriber_id)s AND state = 'pending'
                       AND model = due.model AND record_id = due.record_id
                       AND event_id < due.event_id
                       AND replayed IS NOT TRUE AND due.replayed IS NOT TRUE
                       AND id NOT IN (SELECT id FROM due)
                       AND id NOT IN (SELECT id FROM confirmed)
                     ORDER BY event_id DESC
                     LIMIT 1
                   ) earlier
        ),
        put_off AS (
            UPDATE webhook_delivery delivery
               SET next_attempt_at = greatest(
                       (SELECT next_attempt_at FROM held WHERE held.id = delivery.id),
                       statement_timestamp() AT TIME ZONE 'UTC' + interval '1 second'
                   )
             WHERE id = ANY(ARRAY(SELECT id FROM held))
        ),
        leased AS (
            UPDATE webhook_delivery
               SET next_attempt_at = lease.until, leased_until = lease.until
              FROM lease
             WHERE id = ANY(ARRAY(SELECT id FROM due WHERE id NOT IN (SELECT id FROM held)))
            RETURNING id
        ),
        noted AS (
            UPDATE webhook_subscriber subscriber
               SET paused_until = CASE WHEN watched.failures > 0
                       THEN (SELECT until FROM lease)
                       ELSE subscriber.paused_until END,
                   next_batch_at = CASE WHEN watched.rate_limit > 0
                       THEN statement_timestamp() AT TIME ZONE 'UTC'
                            + make_interval(secs => number::float / watched.rate_limit)
                       ELSE subscriber.next_batch_at END
              FROM watched, (SELECT count(*) AS number FROM leased) leased
             WHERE subscriber.id = watched.id AND number > 0
        )
        SELECT {", ".join(f"settings.{name}" for name in COLUMNS)},
               endpoint.failures, endpoint.away, endpoint.epoch,
               CASE WHEN endpoint.failures > 0
                    THEN (SELECT count(*) FROM webhook_delivery
                           WHERE subscriber_id = %(subscriber_id)s AND suspected > 0
                             AND state = 'pending')
                    ELSE 0 END,
               found.id, found.attempts, coalesce(found.suspected, 0),
               coalesce(found.failed_epoch, 0),
               coalesce(found.replayed, FALSE), found.event_id,
               found.model, found.record_id, event.name, event.json, lease.until,
               found.id IN (SELECT id FROM held), found.confirmed
          FROM endpoint
         CROSS JOIN lease
         CROSS JOIN (
                SELECT *, row_number() OVER (ORDER BY event_id) AS number
                  FROM (
                        SELECT *, FALSE AS confirmed FROM due
                         UNION ALL
                        SELECT *, TRUE FROM candidate WHERE id IN (SELECT id FROM confirmed)
                       ) every
               ) found
          LEFT JOIN endpoint settings ON found.number = 1
          LEFT JOIN LATERAL (
                SELECT {EVENT_NAME} AS name, {event_json("event_id")} AS json
                  FROM {EVENT_TABLES} WHERE e.id = found.event_id AND NOT found.confirmed LIMIT 1
               ) event ON TRUE
         ORDER BY found.event_id
    """,  # noqa: S608  # constants
)

# A delivery that an endpoint accepted is recorded as delivered in any case. Every other outcome
# counts only while this process still holds the lease: another process that has claimed the
# delivery since will record its own outcome.
RECORD = Planned(
    "webhook_record",
    {
        **dict.fromkeys(("id", "attempts", "suspected", "failed_epoch", "status"), "int[]"),
        **dict.fromkeys(("state", "error"), "text[]"),
        "delay": "float[]",
        "leased_until": "timestamp",
    },
    "TABLE (id int, state varchar)",
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
    {"settled": "int[]"},
    "SETOF int",
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

SECONDS_UNTIL_DUE = """
    SELECT extract(epoch FROM greatest(
               delivery.next_attempt_at, subscriber.paused_until, subscriber.next_batch_at
           ) - statement_timestamp() AT TIME ZONE 'UTC')::float
      FROM webhook_delivery delivery
      JOIN webhook_subscriber subscriber ON subscriber.id = delivery.subscriber_id
     WHERE delivery.subscriber_id = %s AND delivery.state = 'pending'
       AND subscriber.active AND subscriber.state = 'enabled'
     ORDER BY delivery.next_attempt_at
     LIMIT 1
"""

PLANNED = (SCHEDULE, CLAIM, RECORD, WAKE_LATER)
