import contextlib
import ipaddress
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..postgres.bigints import BigId

_INDEX_SIZE = 8  # characters of a key that Odoo stores in clear text (res_users.py)


class WebhookKeyFailure(models.Model):
    """Counts wrong API keys, and slows down clients that guess them.

    Failures are counted for each client and beginning of a key. All keys whose beginning is that of
    no existing key count together. So a client with a valid key is let in, even if it shares its
    address (that of a proxy, say) with a client that guesses. The counts are in the database
    because a server has many processes.

    A guess has no chance anyway, because keys have 160 random bits. The limit keeps clients from
    trying, and from filling the log.
    """

    _name = "webhook.key.failure"
    _description = "Failed Authentication at the Webhook Feed"
    _webhook_recordable = False
    _log_access = False

    id = BigId()  # each failure uses up one, because of ON CONFLICT
    client = fields.Char(required=True, readonly=True)
    key_index = fields.Char(readonly=True)
    failures = fields.Integer(required=True, readonly=True)
    last_at = fields.Datetime(required=True, readonly=True)

    _client_unique = models.UniqueIndex("(client, key_index)")

    @api.model
    def _look_up(self, address, key):
        """Return ``(failures, seconds to wait)`` of this client with this key.

        Keys with the same beginning count as the same. The limits are those of passwords: after
        ``base.login_cooldown_after`` failures (0: no limit) every further one costs
        ``base.login_cooldown_duration`` seconds.
        """
        found = self.env.execute_query(
            SQL(
                "SELECT failures, extract(epoch FROM now() at time zone 'UTC' - last_at)::int"
                "  FROM webhook_key_failure WHERE %s",
                self._same(address, key),
            )
        )
        if not found:
            return 0, 0
        [(failures, age)] = found
        parameters = self.env["ir.config_parameter"].sudo()
        allowed = int(parameters.get_param("base.login_cooldown_after", 10))
        duration = int(parameters.get_param("base.login_cooldown_duration", 60))
        return failures, max(duration - age, 0) if 0 < allowed <= failures else 0

    @api.model
    def _note(self, address, key):
        """Count a failure, and commit it whatever becomes of the request."""
        with self._locked() as cr:
            cr.execute(
                SQL(
                    """
                    INSERT INTO webhook_key_failure (client, key_index, failures, last_at)
                    VALUES (%s, %s, 1, now() at time zone 'UTC')
                    ON CONFLICT (client, key_index) DO UPDATE
                       SET failures = webhook_key_failure.failures + 1, last_at = excluded.last_at
                    """,
                    _client(address),
                    _index(key),
                )
            )

    @api.model
    def _forgive(self, address, key):
        """Forget the failures of a client that has shown the valid key."""
        with self._locked() as cr:
            cr.execute(SQL("DELETE FROM webhook_key_failure WHERE %s", self._same(address, key)))

    def _same(self, address, key):
        """Return the SQL condition for the row of this client and key."""
        return SQL("client = %s AND key_index = %s", _client(address), _index(key))

    @contextlib.contextmanager
    def _locked(self):
        """Yield a cursor that collides with no other, as its lock comes before its snapshot."""
        with self.env.registry.cursor() as cr:
            cr.execute("LOCK TABLE webhook_key_failure IN SHARE ROW EXCLUSIVE MODE")
            yield cr

    @api.autovacuum
    def _gc_old(self):
        """Forget failures after a day."""
        self.sudo().search([("last_at", "<", fields.Datetime.now() - timedelta(days=1))]).unlink()


def _index(key):
    """Return an SQL expression for the beginning of the key.

    The expression is an empty text if no existing key begins like this one.
    """
    return SQL(
        "coalesce((SELECT min(index) FROM res_users_apikeys WHERE index = %s), '')",
        key[:_INDEX_SIZE],
    )


def _client(address):
    """Return an IPv4 address, or the network of an IPv6 address, all of which a client may use."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address or ""
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
