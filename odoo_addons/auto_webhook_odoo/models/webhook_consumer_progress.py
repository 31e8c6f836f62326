from odoo import fields, models
from odoo.tools import SQL

from ..postgres.bigints import BigInteger
from ..postgres.transactions import read_committed

_WORTH_NOTING = 1_000  # positions; walking over so few again costs less than a transaction
_PULL_NOTED = 10  # seconds; a pull is not noted again within this time


class WebhookConsumer(models.Model):
    """How far a consumer has come.

    A consumer that lags makes many events wait, and the others would walk over them whenever they
    look for what they still have to confirm. So each consumer keeps the position of the feed up to
    which it has nothing open. A search moves that position on; whatever offers events again moves
    it back to the start.
    """

    _inherit = "webhook.consumer"  # pylint: disable=consider-merging-classes-inherited

    settled_position = BigInteger(
        readonly=True,
        help="The consumer has nothing left to confirm up to this position of the feed.",
    )
    settled_scope = fields.Char(
        readonly=True, help="What the user could see when the position was noted."
    )
    starts = fields.Integer(
        readonly=True,
        default=0,
        help="How often the consumer was offered events again that lay before the position.",
    )
    last_pull_at = fields.Datetime(string="Last Pull", readonly=True)
    last_confirmed_at = fields.Datetime(readonly=True)

    def _start_over(self):
        """Look for open events from the beginning of the feed again."""
        if self:
            self.env.cr.execute(
                SQL(
                    "UPDATE webhook_consumer SET settled_position = 0,"
                    " starts = coalesce(starts, 0) + 1 WHERE id = ANY(%s)",
                    self.ids,
                )
            )
            self.invalidate_recordset()

    def _settled(self):
        """Return the position up to which the user has nothing left to confirm."""
        self.ensure_one()
        return self.settled_position if self.settled_scope == self._scope() else 0

    def _scope(self):
        """Return what the user may see, as a text to compare."""
        user = self.user_id.sudo().with_context(active_test=False)
        models_seen = user._webhook_models()
        return repr((sorted(user.company_ids.ids), models_seen and sorted(models_seen)))

    def _note_pull(self):
        """Note that the user has pulled, but not every time: that would cost each pull a write."""
        now, known = fields.Datetime.now(), self.last_pull_at
        if not known or (now - known).total_seconds() > _PULL_NOTED:
            with read_committed(self.env) as env:
                env.cr.execute(
                    "UPDATE webhook_consumer SET last_pull_at = %s WHERE id = %s", [now, self.id]
                )

    def _note_nothing_before(self, after, position):
        """Note that nothing is left to confirm before a position of the feed.

        Does nothing if the search began too late to tell, or if something was offered again since
        this consumer was read.

        :param after: the position after which the search for something has begun
        """
        settled = self._settled()
        if after <= settled < position - 1:
            with read_committed(self.env) as env:
                env.cr.execute(
                    "UPDATE webhook_consumer SET settled_position = %s, settled_scope = %s"
                    " WHERE id = %s AND coalesce(starts, 0) = %s",
                    [position - 1, self._scope(), self.id, self.starts],
                )

    def _note_search(self, position):
        """Note what a search for the first open event has found.

        :param position: of that event; None if nothing is open. Without a settled position, events
            are searched in the order of their ids, and the first one found tells nothing
        """
        settled = self._settled()
        if position is None:
            position = self.env["webhook.feed.break"]._end().position + 1
        elif not settled:
            return
        if position - settled > _WORTH_NOTING:
            self._note_nothing_before(settled, position)

    def _note_confirmation(self):
        """Note that the user has confirmed events."""
        self.ensure_one()
        self.env.cr.execute(
            SQL(
                """
                UPDATE webhook_consumer SET last_confirmed_at = now() AT TIME ZONE 'UTC'
                 WHERE id = %s
                   AND (last_confirmed_at IS NULL
                        OR last_confirmed_at < now() AT TIME ZONE 'UTC' - interval '5 seconds')
                """,
                self.id,
            )
        )
        self.invalidate_recordset()
