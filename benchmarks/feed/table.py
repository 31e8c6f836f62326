"""A table of events as a busy database has it after some months."""

from __future__ import annotations

from typing import Any

MODELS = ("res.partner", "sale.order", "sale.order.line", "stock.picking")
#: Records of each model that the events are about
RECORDS = 50_000
#: Every 1,000th event is still to be confirmed, and so are many in a row after the first third;
#: every 10,000th was given up.
_FILL = """
    INSERT INTO update_webhook (
        model, record_id, event, payload, changed_fields, old_values, priority, category,
        timestamp, user_id, company_id, is_processed, processed_at, failed_at, is_archived
    )
    SELECT (%(models)s::text[])[1 + number %% cardinality(%(models)s::text[])],
           1 + number %% %(records)s,
           (ARRAY['create', 'write', 'write', 'write'])[1 + number %% 4],
           json_build_object(
               'name', 'Record ' || number, 'state', 'sale', 'amount_total', number / 100.0,
               'partner_id', json_build_object('id', number %% 5000, 'name', 'Azure Interior'),
               'date_order', '2026-01-31T12:00:00Z', 'note', repeat('A remark. ', 20)
           )::text,
           '["state","amount_total"]', '{"state":"draft","amount_total":0.0}',
           (ARRAY['low', 'medium', 'high'])[1 + number %% 3],
           'business',
           now() at time zone 'UTC' - (%(events)s - number) * interval '90 days' / %(events)s,
           2, 1,
           is_processed,
           CASE WHEN is_processed THEN
               now() at time zone 'UTC' - (%(events)s - number) * interval '90 days' / %(events)s
           END,
           CASE WHEN number %% 10000 = 0 THEN now() at time zone 'UTC' END,
           FALSE
      FROM generate_series(1, %(events)s) number,
           LATERAL (
               SELECT number %% 1000 <> 0
                      AND number NOT BETWEEN %(events)s / 3 AND %(events)s / 3 + %(unconfirmed)s
           ) known(is_processed)
"""
#: The contacts that the events are about, like the first one. A record rule hides every fifth.
_CONTACTS = """
    INSERT INTO res_partner
    SELECT (jsonb_populate_record(partner, jsonb_build_object(
               'id', number, 'name', 'Contact ' || number, 'complete_name', 'Contact ' || number,
               'city', CASE WHEN number / 4 %% 5 = 0 THEN 'Rome' ELSE 'Turin' END
           ))).*
      FROM generate_series(1, %(records)s) number, res_partner partner
     WHERE partner.id = (SELECT min(id) FROM res_partner)
    ON CONFLICT DO NOTHING
"""
_RULE = """
    INSERT INTO ir_rule (name, model_id, domain_force, active, global, perm_read)
    SELECT 'Not in Rome', id, '[("city", "!=", "Rome")]', TRUE, TRUE, TRUE
      FROM ir_model WHERE model = 'res.partner'
"""
_POSITIONS = """
    INSERT INTO webhook_feed_position (event_id) SELECT id FROM update_webhook ORDER BY id
"""


def fill(cursor: Any, events: int, unconfirmed: int) -> None:
    """Write so many events with their positions, spread over the last 90 days.

    :param unconfirmed: how many in a row, after the first third, are still to be confirmed
    """
    cursor.execute("DELETE FROM webhook_feed_pending")
    cursor.execute("DELETE FROM update_webhook")
    parameters = {
        "models": list(MODELS),
        "records": RECORDS,
        "events": events,
        "unconfirmed": unconfirmed,
    }
    cursor.execute(_FILL, parameters)
    cursor.execute(_CONTACTS, parameters)
    cursor.execute(_RULE)
    cursor.execute(_POSITIONS)
    cursor.execute("VACUUM (ANALYZE) update_webhook, webhook_feed_position, res_partner")
