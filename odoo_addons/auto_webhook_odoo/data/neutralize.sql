-- A copy of a database must neither push to the endpoints of the original nor hold its secrets. The
-- subscribers keep their kind of authentication: one that has lost its secret cannot be enabled
-- before an administrator enters another one. What does not exist is passed over, because the
-- database may be one of an older version of the addon.
DO $neutralize$
DECLARE
    secret text;
BEGIN
    UPDATE webhook_subscriber SET state = 'disabled';
    FOR secret IN
        SELECT column_name
          FROM information_schema.columns
         WHERE table_schema = current_schema AND table_name = 'webhook_subscriber'
           AND column_name IN (
                'auth_token', 'oauth_client_secret', 'own_headers',
                'signing_secret', 'previous_secret', 'previous_secret_until',
                'client_certificate', 'client_key'
           )
    LOOP
        EXECUTE format('UPDATE webhook_subscriber SET %I = NULL', secret);
    END LOOP;
    IF to_regclass('webhook_subscriber_header') IS NOT NULL THEN
        DELETE FROM webhook_subscriber_header;
    END IF;
END
$neutralize$;

-- keys that open the original's feed would open the copy's
DELETE FROM res_users_apikeys WHERE scope = 'webhook';

-- A copy is another source than the original, as one that Odoo's database manager makes. The place of
-- the original is not its place; it notes its own at the next look.
UPDATE ir_config_parameter SET value = gen_random_uuid()::text WHERE key = 'database.uuid';
DELETE FROM ir_config_parameter WHERE key = 'auto_webhook_odoo.place';

-- the proxy belongs to the original's network, and its address may hold a password
DELETE FROM ir_config_parameter WHERE key = 'auto_webhook_odoo.proxy';
