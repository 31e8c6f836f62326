"""The SQL statements that write the events of a transaction."""

from ..postgres.planned import Planned

# Writes events, and notes that they have no position in the feed yet. A group holds the values that
# many events of a transaction share. JSON text never holds a line break, so line breaks join the
# texts of all events into one parameter: PostgreSQL takes longer to parse a thousand parameters
# than to write a thousand rows. Most events need no array of companies: then the parameter is NULL.
INSERT_EVENTS = Planned(
    "webhook_insert_events",
    {
        **dict.fromkeys(("group", "record_id", "company_id", "config_id"), "int[]"),
        **dict.fromkeys(("model", "event", "changed_fields", "priority", "category"), "text[]"),
        **dict.fromkeys(("payload", "old_values", "company_ids", "left_company_ids"), "text"),
        "user_id": "int",
    },
    "SETOF int8",
    """
        WITH event AS (
            INSERT INTO update_webhook (
                model, event, changed_fields, priority, category, config_id,
                record_id, payload, old_values, company_id,
                company_ids, left_company_ids,
                user_id, timestamp, is_processed, is_archived
            )
            SELECT common.model, common.event, common.changed_fields, common.priority,
                   common.category, common.config_id,
                   own.record_id, own.payload, own.old_values, own.company_id,
                   own.company_ids::int[], own.left_company_ids::int[],
                   %(user_id)s, statement_timestamp() AT TIME ZONE 'UTC', FALSE, FALSE
              FROM unnest(
                        %(group)s, %(record_id)s,
                        string_to_array(%(payload)s, E'\\n'),
                        string_to_array(%(old_values)s, E'\\n', ''),
                        %(company_id)s,
                        string_to_array(%(company_ids)s, E'\\n', ''),
                        string_to_array(%(left_company_ids)s, E'\\n', '')
                   ) WITH ORDINALITY
                   AS own(number, record_id, payload, old_values, company_id,
                          company_ids, left_company_ids, position)
              JOIN unnest(
                        %(model)s, %(event)s, %(changed_fields)s,
                        %(priority)s, %(category)s, %(config_id)s
                   ) WITH ORDINALITY
                   AS common(model, event, changed_fields, priority, category, config_id, number)
                ON common.number = own.number
             ORDER BY own.position
            RETURNING id
        ),
        pending AS (INSERT INTO webhook_feed_pending (id) SELECT id FROM event)
        SELECT id FROM event ORDER BY id
    """,
)

#: Removes events that an earlier run of the hook wrote in the same transaction.
DELETE_EVENTS = """
    WITH event AS (DELETE FROM update_webhook WHERE id = ANY(%(ids)s))
    DELETE FROM webhook_feed_pending WHERE id = ANY(%(ids)s)
"""

PLANNED = (INSERT_EVENTS,)
