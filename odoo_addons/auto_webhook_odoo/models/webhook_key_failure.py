import ipaddress
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

_INDEX_SIZE = 8  # how much of a key Odoo keeps readable (res_users.py)


class WebhookKeyFailure(models.Model):
    """Slows down who guesses API keys.

    Counted per client and beginning of the key; what is not the beginning of any key counts as the
    same. So a client with a valid key is let in, even if it has the address (a proxy's, say) of one
    who guesses. The count is in the database because a server has many processes.

    A guess has no chance anyway: keys have 160 random bits. This keeps it from being tried, and
    from filling the log.
    """

    _name = "webhook.key.failure"
    _description = "Failed Authentication at the Webhook Feed"
    _webhook_recordable = False
    _log_access = False

    client = fields.Char(required=True, readonly=True)
    key_index = fields.Char(readonly=True)
    failures = fields.Integer(required=True, readonly=True)
    last_at = fields.Datetime(required=True, readonly=True)

    _client_unique = models.UniqueIndex("(client, key_index)")

    @api.model
    def _seconds_to_wait(self, address, key):
        """Return for how long this client must not try such a key; 0 if it may.

        As with passwords: after ``base.login_cooldown_after`` failures (0: never) every further one
        costs ``base.login_cooldown_duration`` seconds.
        """
        found = self._rows("failures, extract(epoch FROM now() at time zone 'UTC' - last_at)",
                           address, key)  # fmt: skip
        if not found:
            return 0
        [(failures, age)] = found
        parameters = self.env["ir.config_parameter"].sudo()
        allowed = int(parameters.get_param("base.login_cooldown_after", 10))
        duration = int(parameters.get_param("base.login_cooldown_duration", 60))
        return max(duration - int(age), 0) if 0 < allowed <= failures else 0

    @api.model
    def _note(self, address, key):
        """Count a failure; committed, whatever becomes of the request."""
        with self.env.registry.cursor() as cr:
            # before the snapshot, so that failures at the same time do not collide
            cr.execute("LOCK TABLE webhook_key_failure IN SHARE ROW EXCLUSIVE MODE")
            cr.execute(
                """
                INSERT INTO webhook_key_failure (client, key_index, failures, last_at)
                VALUES (%s, %s, 1, now() at time zone 'UTC')
                ON CONFLICT (client, key_index) DO UPDATE
                   SET failures = webhook_key_failure.failures + 1, last_at = excluded.last_at
                """,
                [_client(address), self._index(key)],
            )

    @api.model
    def _forgive(self, address, key):
        """Forget the failures of a client who knows the key."""
        if self._rows("1", address, key):
            with self.env.registry.cursor() as cr:
                cr.execute("LOCK TABLE webhook_key_failure IN SHARE ROW EXCLUSIVE MODE")
                cr.execute(
                    "DELETE FROM webhook_key_failure WHERE client = %s AND key_index = %s",
                    [_client(address), self._index(key)],
                )

    def _rows(self, columns, address, key):
        return self.env.execute_query(
            SQL(
                "SELECT %s FROM webhook_key_failure WHERE client = %s AND key_index = %s",
                SQL(columns),
                _client(address),
                self._index(key),
            )
        )

    def _index(self, key):
        """Return the beginning of the key, or nothing if no key begins like that."""
        index = key[:_INDEX_SIZE]
        known = self.env.execute_query(
            SQL("SELECT 1 FROM res_users_apikeys WHERE index = %s LIMIT 1", index)
        )
        return index if known else ""

    @api.autovacuum
    def _gc_old(self):
        """Forget failures after a day."""
        self.sudo().search([("last_at", "<", fields.Datetime.now() - timedelta(days=1))]).unlink()


def _client(address):
    """Return the address; of IPv6 the network, in which a client has all addresses to itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address or ""
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
