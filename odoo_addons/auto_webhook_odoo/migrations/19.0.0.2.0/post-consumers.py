from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Make those who confirm consumers, and keep what receivers have given up.

    An event that was given up did not count as processed. Without this it would be offered again.
    """
    env = api.Environment(cr, SUPERUSER_ID, {})
    consumers = env["webhook.consumer"]
    cr.execute("SELECT DISTINCT confirmed_by_id FROM update_webhook WHERE confirmed_by_id > 0")
    receivers = env["res.users"].browse([user_id for (user_id,) in cr.fetchall()]).exists()
    receivers |= env.ref("auto_webhook_odoo.group_webhook_receiver").user_ids
    consumers._add(consumers._missing(receivers))
    consumers._add_subscribers(env["webhook.subscriber"].search([]))
    cr.execute(
        """
        INSERT INTO webhook_confirmation (event_id, consumer_id, failed_at, failure)
        SELECT event.id, consumer.id, event.failed_at, event.failure
          FROM update_webhook event
          JOIN webhook_consumer consumer ON consumer.user_id = event.confirmed_by_id
         WHERE event.failed_at IS NOT NULL;
        UPDATE update_webhook SET is_processed = TRUE, processed_at = failed_at
         WHERE failed_at IS NOT NULL AND is_processed IS NOT TRUE;
        ALTER TABLE update_webhook DROP COLUMN confirmed_by_id
        """
    )
    env["webhook.tally"]._count_anew()
