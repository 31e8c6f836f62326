import contextlib

from odoo import http
from odoo.http import request

from ..postgres.transactions import read_committed
from ..wire.cursor import MAX_CURSOR
from . import parameters as read
from .errors import json_errors
from .routing import feed_route, success

_MAX_NAME = 255
_MAX_INFO = 10_000
_MAX_USER = 2**31 - 1


class Devices(http.Controller):
    """The routes by which devices store how far they have read the feed (docs/protocol.md)."""

    @feed_route("sync-state")
    @json_errors("GET", "POST")
    def sync_state(self):
        """Return the state of a device, which is created on first use."""
        given = read.read_parameters(
            ("user_id", "device_id", "app_type", "device_info", "app_version")
        )
        told = {
            "app_type": read.text(given, "app_type", _MAX_NAME),
            "app_version": read.text(given, "app_version", _MAX_NAME),
            "device_info": read.text_or_object(given, "device_info", _MAX_INFO),
        }
        with self._state(given, **told) as state:
            return success(sync_state=state._wire())

    @feed_route("sync-state/update")
    @json_errors("POST")
    def update(self):
        """Store the cursor of a device, and return its state."""
        given = read.read_parameters(
            ("user_id", "device_id", "last_event_id", "events_synced", "reset")
        )
        cursor = read.integer(given, "last_event_id", None, 0, MAX_CURSOR)
        events_synced = read.integer(given, "events_synced", 0, 0, 2**31 - 1)
        reset = read.boolean(given, "reset", False)
        with self._state(given) as state:
            state._advance(cursor, events_synced, reset)
            return success(sync_state=state._wire())

    @feed_route("sync-state/stats")
    @json_errors("GET")
    def stats(self):
        """Return totals over the devices that the caller may see, and these devices."""
        given = read.read_parameters(("user_id", "device_id", "app_type"))
        figures = request.env["user.sync.state"]._totals(
            self._user_id(given),
            device_id=read.text(given, "device_id", _MAX_NAME),
            app_type=read.text(given, "app_type", _MAX_NAME),
        )
        return success(**figures, stats=figures)  # some clients read them there

    @contextlib.contextmanager
    def _state(self, given, **told):
        """Yield the state of a device in a transaction that locks it.

        The lock is there because a device may send several requests at the same time.
        """
        device_id = read.text(given, "device_id", _MAX_NAME, required=True)
        user = request.env["user.sync.state"]._user_to_act_for(self._user_id(given))
        with read_committed(request.env) as env:
            yield env["user.sync.state"]._touch(user.id, device_id, **told)

    @staticmethod
    def _user_id(given):
        if "user_id" not in given:
            return None
        return read.integer(given, "user_id", None, 1, _MAX_USER)
