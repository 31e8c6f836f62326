"""The statement that leases the next deliveries to a subscriber, and the one that says when.

The ORM would need several statements for a claim, and could not pass over rows that other processes
have locked.
"""

from ..postgres.planned import Planned
from ..wire.event import EVENT_NAME, EVENT_TABLES, event_json
from ..wire.visibility import companies_of, gone
from .blame import MOST_SUSPECTS
from .endpoint import COLUMNS

#: The settings of a subscriber as columns, in the order of ``Endpoint``.
ENDPOINT = ", ".join(f"{expression} AS {name}" for name, (_type, expression) in COLUMNS.items())

_IS_WATCHED = "(coalesce(consecutive_failures, 0) > 0 OR coalesce(rate_limit, 0) > 0)"

# An endpoint that is away gets one delivery as a probe, and one that is in doubt as many as decide
# whether it is away. Every second probe, beginning with the first, is a new event: those that
# failed before may all be bad.
_NEWEST_IS_NEXT = "mod(coalesce(pauses, 0), 2) = 1"


def _admitted(condition):
    return f"""
            SELECT id, coalesce(consecutive_failures, 0) AS failures,
                   coalesce(pauses, 0) > 0 AS away,
                   coalesce(epoch, 1) AS epoch, coalesce(rate_limit, 0) AS rate_limit,
                   CASE WHEN greatest(paused_until, next_batch_at)
                             > statement_timestamp() AT TIME ZONE 'UTC' THEN 0
                        WHEN {_NEWEST_IS_NEXT} AND NOT %(probing)s THEN 0
                        WHEN pauses > 0 THEN 1
                        ELSE least(
                            CASE WHEN consecutive_failures > 0 THEN {MOST_SUSPECTS}
                                 ELSE coalesce(nullif(batch_limit, 0), batch_size * %(messages)s)
                                 END,
                            nullif(rate_limit, 0)
                        )
                   END AS most,
                   receiver_user_id, timeout, batch_size
              FROM webhook_subscriber
             WHERE id = %(subscriber_id)s AND active AND state = 'enabled' AND {condition}
    """  # noqa: S608  # constants


_CANDIDATE = "id, model, record_id, event_id, attempts, suspected, failed_epoch, replayed"

_IS_DUE = """
                   subscriber_id = %(subscriber_id)s AND state = 'pending'
               AND next_attempt_at <= statement_timestamp() AT TIME ZONE 'UTC'
"""

# A probe and a rate limit lease few deliveries, and many may be confirmed. So the statement always
# looks at as many as a claim may hold.
_FIRST = f"""
            SELECT {_CANDIDATE}, next_attempt_at
              FROM webhook_delivery
             WHERE {_IS_DUE}
             ORDER BY next_attempt_at, event_id
             LIMIT coalesce(
                       (SELECT CASE WHEN most > 0 AND receiver_user_id IS NOT NULL
                                    THEN greatest(most, batch_size * %(messages)s)
                                    ELSE most END
                          FROM endpoint),
                       0
                   )
               FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608  # constants

_NEWEST = f"""
            SELECT {_CANDIDATE}, next_attempt_at
              FROM webhook_delivery later
             WHERE {_IS_DUE}
               AND coalesce(failed_epoch, 0) = 0
               AND NOT EXISTS (
                    SELECT FROM webhook_delivery
                     WHERE subscriber_id = %(subscriber_id)s AND state = 'pending'
                       AND model = later.model AND record_id = later.record_id
                       AND event_id < later.event_id
                   )
             ORDER BY next_attempt_at DESC, event_id DESC
             LIMIT coalesce((SELECT least(most, 1) FROM endpoint), 0)
               FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608  # constants

_PARAMETERS = {
    **dict.fromkeys(("subscriber_id", "messages"), "int"),
    **dict.fromkeys(("margin", "overrun"), "float"),
    "confirmed": "text",
    "probing": "bool",
}

_ROW = (
    f"TABLE ({', '.join(f'{name} {sql_type}' for name, (sql_type, _) in COLUMNS.items())},"
    " failures int, away bool, epoch int, suspects bigint,"
    " id int8, attempts int, suspected int, failed_epoch int, replayed bool,"
    " event_id int8, model varchar, record_id int,"
    " event_name text, event text, leased_until timestamp, held bool, confirmed bool,"
    " left_some bool)"
)


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
# feed are cancelled instead, and those of events that are offered again: the pull brings them.
#
# Only the first row has the settings of the endpoint. An idle server runs the statement with cold
# caches. PostgreSQL then prepares each expression in it for the first time, whether it needs its
# value or not. So what only a probe needs is a statement of its own.
#
# The commit does not wait for the disk. If PostgreSQL crashes and forgets a lease, the delivery is
# sent again, as after a crash of the sender.
def _claim(name, candidate):
    """Return the statement that leases deliveries.

    :param candidate: the query that finds and locks them
    """
    return Planned(
        name,
        _PARAMETERS,
        _ROW,
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
        candidate AS ({candidate}),
        confirmed AS (
            SELECT candidate.id
              FROM endpoint
             CROSS JOIN candidate
             WHERE endpoint.receiver_user_id IS NOT NULL
               AND candidate.replayed IS NOT TRUE
               AND EXISTS (
                    SELECT FROM update_webhook
                     WHERE id = candidate.event_id
                       AND (is_processed OR offered_at IS NOT NULL)
                     UNION ALL
                    SELECT FROM webhook_confirmation known
                      JOIN webhook_consumer consumer ON consumer.id = known.consumer_id
                     WHERE known.event_id = candidate.event_id
                       AND consumer.user_id = endpoint.receiver_user_id
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
               found.id IN (SELECT id FROM held), found.confirmed,
               event.left_some
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
          LEFT JOIN (
                SELECT {ENDPOINT} FROM webhook_subscriber WHERE id = %(subscriber_id)s
               ) settings ON found.number = 1
          LEFT JOIN LATERAL (
                SELECT {EVENT_NAME} AS name, {event_json("event_id")} AS json,
                       e.left_company_ids IS NOT NULL AS left_some
                  FROM {EVENT_TABLES} WHERE e.id = found.event_id AND NOT found.confirmed LIMIT 1
               ) event ON TRUE
         ORDER BY found.event_id
    """,  # noqa: S608  # constants
    )


#: Leases the first due deliveries; nothing if the next probe is a new event and ``probing`` is
#: false.
CLAIM = _claim("webhook_claim", _FIRST)

#: Leases a new event as the probe of an endpoint that is away.
CLAIM_NEWEST = _claim("webhook_claim_newest", _NEWEST)

#: Selects the seconds until the next delivery is due, and whether a new event is to be the probe.
SECONDS_UNTIL_DUE = f"""
    SELECT extract(epoch FROM greatest(
               delivery.next_attempt_at, subscriber.paused_until, subscriber.next_batch_at
           ) - statement_timestamp() AT TIME ZONE 'UTC')::float,
           {_NEWEST_IS_NEXT}
      FROM webhook_delivery delivery
      JOIN webhook_subscriber subscriber ON subscriber.id = delivery.subscriber_id
     WHERE delivery.subscriber_id = %s AND delivery.state = 'pending'
       AND subscriber.active AND subscriber.state = 'enabled'
     ORDER BY delivery.next_attempt_at
     LIMIT 1
"""  # noqa: S608  # a constant

#: Selects id, name and JSON text of events as the endpoint of a subscriber gets them. The receiver
#: behind it may learn of some only that the record is gone.
EVENTS_AS_SENT = f"""
    SELECT e.id, {EVENT_NAME}, {event_json("event_id", "reader.gone")}
      FROM {EVENT_TABLES}
     CROSS JOIN LATERAL (
            SELECT {gone("e", companies_of("receiver_user_id"))}
                   AND receiver_user_id IS NOT NULL AS gone
              FROM webhook_subscriber WHERE id = %s
           ) reader
     WHERE e.id = ANY(%s)
"""  # noqa: S608  # constants
