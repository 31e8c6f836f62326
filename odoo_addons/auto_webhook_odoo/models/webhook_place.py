import logging

from markupsafe import Markup

from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import SQL, file_open, plaintext2html

from ..delivery import sender
from ..postgres import place

_logger = logging.getLogger(__name__)

_TABLE = "webhook_feed_position"
_TOLD = "auto_webhook_odoo.told_elsewhere"  # the instance that administrators were told of
_ACTIVITY = "auto_webhook_odoo.activity_database_elsewhere"
_NEUTRALIZE = "auto_webhook_odoo/data/neutralize.sql"

_MOST = 10_000  # deliveries; nobody needs a larger number to be exact


class WebhookPlace(models.AbstractModel):
    """Knows the place at which this database is the original, and keeps a copy from pushing.

    A system parameter holds the place since the addon was installed, or since the first look after
    an update. A copy takes the parameter along and finds itself elsewhere. It then pushes nothing
    until a system administrator has said which of the two it is. A neutralised copy has lost the
    parameter, and its endpoints are disabled.
    """

    _name = "webhook.place"
    _description = "Place of the Database"

    def init(self):
        place.define(self.env.cr)

    @api.model
    def _read(self):
        """Return the ``Place`` of this database, and the one where it is the original or None."""
        here, text = place.read_once(self.env.cr, _TABLE, place.KEY)
        return here, place.Place.parse(text) if text else None

    @api.model
    def _check(self):
        """Check that this database is where it is the original; at the first look, note the place.

        :raises ElsewhereError: if it may be a copy
        """
        here, home = self._read()
        if home and not here.is_at(home):
            raise place.ElsewhereError(self._text(here, home))
        here = here.completed(home) if home else here
        if not home or here.as_text() != home.as_text():
            self._note(here)

    @api.model
    def _note(self, here):
        """Store a place as the one of the original. Several lanes may do so at the same time."""
        self.env.cr.execute(
            """
            INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value
            """,
            [place.KEY, here.as_text()],
        )

    @api.model
    def _instance(self):
        """Return the name of this database for receivers, which a copy does not share."""
        here, home = self._read()
        return (home if home and here.is_at(home) else here).instance

    @api.model
    def _notice(self):
        """Return in words why this database pushes nothing; empty if it is where it belongs."""
        here, home = self._read()
        return self._text(here, home) if home and not here.is_at(home) else ""

    def _text(self, here, home):
        if here.cluster and here.cluster == home.cluster:
            return self.env._(
                "This database may be a copy. It was the database “%(before)s”, and is “%(now)s” "
                "now, in the same PostgreSQL cluster. Nothing is pushed until a system "
                "administrator says under Settings → Webhooks which of the two it is.",
                before=home.database,
                now=here.database,
            )
        return self.env._(
            "This database may be a copy. It was the database “%(before)s” in the PostgreSQL "
            "cluster %(cluster_before)s (database number %(number_before)s), and is “%(now)s” in "
            "the cluster %(cluster_now)s (number %(number_now)s) now. Nothing is pushed until a "
            "system administrator says under Settings → Webhooks which of the two it is.",
            before=home.database,
            cluster_before=home.cluster or self.env._("unknown"),
            number_before=home.database_oid,
            now=here.database,
            cluster_now=here.cluster or self.env._("unknown"),
            number_now=here.database_oid,
        )

    @api.model
    def _waiting(self):
        """Return how many deliveries wait, as a text."""
        [(number,)] = self.env.execute_query(
            SQL(
                """
                SELECT count(*) FROM (
                    SELECT FROM webhook_delivery WHERE state = 'pending' LIMIT %s
                ) waiting
                """,
                _MOST,
            )
        )
        return f"{_MOST}+" if number == _MOST else str(number)

    @api.model
    def _declare_original(self):
        """Make this place the one of the original. What waits is pushed.

        :raises AccessError: if the user is no system administrator
        """
        self._check_administrator()
        here, home = self._read()
        self._note(here)
        _logger.warning(
            "Database declared to be the original; webhooks are pushed. place=%s before=%s user=%s",
            *(here.as_text(), home and home.as_text(), self.env.user.login),
        )
        self._forget_notices()
        enabled = self.env["webhook.subscriber"].search([("state", "=", "enabled")])
        sender.wake_sender(self.env.cr, enabled.ids)

    @api.model
    def _declare_copy(self):
        """Make this database a source of its own, as neutralising it does for this addon.

        :raises AccessError: if the user is no system administrator
        """
        self._check_administrator()
        here, home = self._read()
        self.env.flush_all()
        with file_open(_NEUTRALIZE) as script:
            self.env.cr.execute(script.read())
        self.env.invalidate_all()
        self.env.registry.clear_cache("stable")  # which holds the system parameters
        self._note(here)
        _logger.warning(
            "Database declared to be a copy; endpoints are disabled. place=%s before=%s user=%s",
            *(here.as_text(), home and home.as_text(), self.env.user.login),
        )
        self._forget_notices()

    def _check_administrator(self):
        if not self.env.is_system():
            raise AccessError(
                self.env._("Only system administrators may say whether a database is a copy.")
            )

    @api.model
    def _update_notices(self):
        """Tell system administrators with an activity if this database may be a copy.

        The activity disappears when one of them has decided. An administrator who marks it as done
        gets no other one for the same place.
        """
        try:
            self._check()
        except place.ElsewhereError:
            self._notify(self._read()[0].instance)
        else:
            self._forget_notices()

    def _notify(self, instance):
        parameters = self.env["ir.config_parameter"].sudo()
        if parameters.get_param(_TOLD) == instance:
            return
        parameters.set_param(_TOLD, instance)
        kind = self.env.ref(_ACTIVITY)
        for user in self.env.ref("base.group_system").all_user_ids.filtered("active"):
            there = self.with_context(lang=user.lang)
            link = Markup('<p><a href="%s">%s</a></p>') % (
                "/odoo/action-auto_webhook_odoo.res_config_settings_action",
                there.env._("Decide"),
            )
            self.env["mail.activity"].sudo().create(
                {
                    "activity_type_id": kind.id,
                    "user_id": user.id,
                    "summary": there.env._("Webhooks are not pushed: is this database a copy?"),
                    "note": plaintext2html(there._notice()) + link,
                }
            )

    def _forget_notices(self):
        parameters = self.env["ir.config_parameter"].sudo()
        if parameters.get_param(_TOLD):
            parameters.set_param(_TOLD, False)
            told = [("activity_type_id", "=", self.env.ref(_ACTIVITY).id)]
            self.env["mail.activity"].sudo().search(told).unlink()
