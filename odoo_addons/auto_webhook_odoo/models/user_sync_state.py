from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..postgres.bigints import BigId, BigInteger
from ..wire.cursor import Cursor

_ACTIVE_DAYS = 90
_MAX_LISTED = 1000


class UserSyncState(models.Model):
    """How far a device of a user has read the feed. The device can go on from there.

    Devices are independent of each other. That a device has read an event does not confirm it.
    """

    _name = "user.sync.state"
    _description = "Webhook Device"
    _webhook_recordable = False
    _order = "last_sync_time DESC NULLS LAST, id DESC"
    _rec_name = "device_id"

    id = BigId()  # each call uses up one, because of ON CONFLICT
    user_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="cascade")
    device_id = fields.Char(
        required=True, readonly=True, help="The name by which the device calls itself."
    )
    app_type = fields.Char(string="App", readonly=True)
    app_version = fields.Char(readonly=True)
    device_info = fields.Text(string="About the Device", readonly=True)
    last_event_id = BigInteger(
        string="Cursor",
        readonly=True,
        aggregator=None,
        help="How far the device has read the feed. This is not the number of an event.",
    )
    last_sync_time = fields.Datetime(string="Last Synchronisation", readonly=True)
    sync_count = fields.Integer(string="Synchronisations", readonly=True)
    total_events_synced = BigInteger(string="Events Read", readonly=True)
    is_active = fields.Boolean(
        string="Active",
        default=True,
        readonly=True,
        help=f"Switched off when the device has not called for {_ACTIVE_DAYS} days.",
    )

    _device_unique = models.UniqueIndex("(user_id, device_id)")

    def action_start_again(self):
        """Have devices read the feed from its beginning."""
        if not self.env.user.has_group("auto_webhook_odoo.group_webhook_manager"):
            raise AccessError(self.env._("Only webhook managers may reset devices."))
        self.check_access("read")  # or they could reset devices of other companies
        self.sudo().last_event_id = 0

    @api.model
    def _user_to_act_for(self, user_id=None):
        """Return the user whose devices are meant, by default the current one.

        :raises AccessError: if the current user may not act for this user
        :raises ValidationError: if there is no such user
        """
        if user_id in (None, self.env.uid):
            return self.env.user
        if not self.env.user.has_group("auto_webhook_odoo.group_webhook_receiver"):
            raise AccessError(self.env._("Only webhook receivers may act for other users."))
        user = self.env["res.users"].sudo().browse(user_id).exists()
        if not user.active or not user.company_ids & self.env.user.company_ids:
            raise ValidationError(self.env._("There is no user %s.", user_id))
        return user

    @api.model
    def _touch(self, user_id, device_id, app_type=None, app_version=None, device_info=None):
        """Return the state of a device, locked. It is created on first use.

        What the device says about itself is stored; None keeps the stored value.
        """
        self.env.cr.execute(
            """
            INSERT INTO user_sync_state AS known (
                user_id, device_id, app_type, app_version, device_info, is_active,
                last_event_id, sync_count, total_events_synced,
                create_uid, write_uid, create_date, write_date
            ) VALUES (
                %(user)s, %(device)s, %(app_type)s, %(app_version)s, %(device_info)s, TRUE, 0, 0, 0,
                %(uid)s, %(uid)s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
            )
            ON CONFLICT (user_id, device_id) DO UPDATE SET
                app_type = coalesce(excluded.app_type, known.app_type),
                app_version = coalesce(excluded.app_version, known.app_version),
                device_info = coalesce(excluded.device_info, known.device_info),
                is_active = TRUE, write_uid = excluded.write_uid, write_date = excluded.write_date
            RETURNING id
            """,
            {
                "user": user_id,
                "device": device_id,
                "app_type": app_type,
                "app_version": app_version,
                "device_info": device_info,
                "uid": self.env.uid,
            },
        )
        state = self.sudo().browse(self.env.cr.fetchone())
        state.invalidate_recordset()
        return state

    def _advance(self, cursor, events_synced, reset=False):
        """Note that the device has read up to the cursor.

        :param bool reset: accept a cursor that lies before the stored one
        :raises ValidationError: if the cursor is beyond the end of the feed
        """
        self.ensure_one()
        end = self.env["webhook.feed.break"]._end()
        wanted = Cursor.decode(cursor)
        if wanted.position > end.position or wanted.generation > end.generation:
            raise ValidationError(
                self.env._("This cursor is beyond the end of the feed. Start again at 0.")
            )
        self.write(
            {
                "last_event_id": cursor if reset else max(cursor, self.last_event_id),
                "last_sync_time": fields.Datetime.now(),
                "sync_count": self.sync_count + 1,
                "total_events_synced": self.total_events_synced + events_synced,
            }
        )

    def _wire(self):
        """Return the state as an object of the wire."""
        self.ensure_one()
        return {
            "id": self.id,
            "user_id": self.user_id.id,
            "device_id": self.device_id,
            "app_type": self.app_type or None,
            "last_event_id": self.last_event_id,
            "last_sync_time": _iso(self.last_sync_time),
            "sync_count": self.sync_count,
            "total_events_synced": self.total_events_synced,
            "is_active": self.is_active,
            "device_info": self.device_info or None,
            "app_version": self.app_version or None,
        }

    @api.model
    def _totals(self, user_id=None, **told):
        """Return totals and the devices, of the devices that the current user may see.

        :param told: the ``device_id`` and ``app_type`` that devices have told; None selects all
        """
        domain = [(name, "=", value) for name, value in told.items() if value is not None]
        if user_id is not None:
            domain.append(("user_id", "=", self._user_to_act_for(user_id).id))
        [(devices, syncs, events, last)] = self._read_group(
            domain,
            [],
            ["__count", "sync_count:sum", "total_events_synced:sum", "last_sync_time:max"],
        )
        return {
            "total_devices": devices,
            "active_devices": self.search_count([*domain, ("is_active", "=", True)]),
            "total_syncs": syncs or 0,
            "total_events_synced": int(events or 0),
            "last_sync_time": _iso(last),
            "devices": [state._wire() for state in self.search(domain, limit=_MAX_LISTED)],
        }

    @api.autovacuum
    def _gc_inactive(self):
        """Mark devices inactive that have not called for a long time."""
        before = fields.Datetime.now() - timedelta(days=_ACTIVE_DAYS)
        silent = [("is_active", "=", True), ("write_date", "<", before)]
        self.search(silent).is_active = False


def _iso(value):
    return f"{value.isoformat()}Z" if value else None
