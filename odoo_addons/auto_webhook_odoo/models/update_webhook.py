import itertools
import json

from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import SQL

from ..capture import statements
from ..capture.ownership import EVERYBODY
from ..postgres.arrays import IntArray
from ..postgres.bigints import BigId, BigInteger
from ..wire.event import EVENT_FRAME, EVENT_SIZE, EVENT_TABLES, event_json
from ..wire.visibility import ALL_COMPANIES, gone, visible
from .webhook_config import CATEGORIES, PRIORITIES

#: A page of the feed holds no more bytes of events than this; a single event may be larger.
PAGE_BYTES = 8 * 1024 * 1024

EVENTS = [("create", "Created"), ("write", "Changed"), ("unlink", "Deleted")]


class LooseMany2one(fields.Many2one):
    """A many2one without a foreign key.

    Events are history: deleting a user must neither wait for them nor change them. Checking three
    foreign keys for each event would also be a good part of the cost of recording.
    """

    def update_db_foreign_key(self, model, column):
        """Do nothing, because there is no foreign key."""


class UpdateWebhook(models.Model):
    """The event table: one row for the net change of one record in one transaction.

    ``capture.changes`` writes the rows with SQL, in the transaction of the change itself. Push and
    pull both read them.

    This file holds the fields, and how events are written and read by the feed.
    ``webhook.confirmation`` tells who has confirmed them.
    ``update_webhook_retention.py`` archives and deletes old events,
    ``update_webhook_erasure.py`` erases personal data, and ``update_webhook_monitoring.py`` holds
    figures and warnings.
    """

    _name = "update.webhook"
    _description = "Webhook Event"
    _webhook_recordable = False
    _log_access = False
    _order = "id DESC"
    _rec_name = "model"

    id = BigId()
    model = fields.Char(required=True, readonly=True)
    record_id = fields.Integer(string="Record ID", required=True, readonly=True, aggregator=None)
    event = fields.Selection(EVENTS, required=True, readonly=True)
    # JSON as text: it is written once and sent as it is, and inserting it costs a third less than
    # jsonb.
    payload = fields.Text(readonly=True, help="The values of the record after the change (JSON).")
    changed_fields = fields.Text(readonly=True, help="Names of the fields that changed (JSON).")
    old_values = fields.Text(
        readonly=True, help="What the changed fields held before the change (JSON)."
    )
    priority = fields.Selection(PRIORITIES, required=True, readonly=True)
    category = fields.Selection(CATEGORIES, required=True, readonly=True)
    timestamp = fields.Datetime(required=True, readonly=True, help="When the change was saved.")
    user_id = LooseMany2one("res.users", readonly=True, help="The user who made the change.")
    company_id = LooseMany2one(
        "res.company",
        readonly=True,
        help="Company of the record. Empty if it has none, or several.",
    )
    company_ids = IntArray(
        string="Shown to Companies",
        readonly=True,
        help="Ids of the companies that see the event, if that is not just its company, or "
        "everybody if it has none. -1 stands for everybody.",
    )
    left_company_ids = IntArray(
        string="Gone for Companies",
        readonly=True,
        help="Ids of the companies that saw the record before the change, and do not see it any "
        "more. They are told only that it is gone. -1 stands for everybody.",
    )
    config_id = LooseMany2one("webhook.config", readonly=True, string="Configuration")
    is_processed = fields.Boolean(
        string="Processed",
        readonly=True,
        help="Every consumer whom this event concerns has confirmed it or given it up.",
    )
    processed_at = fields.Datetime(readonly=True)
    failed_at = fields.Datetime(readonly=True, help="When a consumer gave up on this event.")
    failure = fields.Text(readonly=True, help="Why a consumer gave up on this event.")
    offered_at = fields.Datetime(
        string="Offered Again",
        readonly=True,
        help="When this event was offered to consumers again. They find it with their next pull; "
        "it is not pushed.",
    )
    is_archived = fields.Boolean(string="Archived", readonly=True)
    seq = BigInteger(
        string="Feed Position",
        compute="_compute_seq",
        help="Position in the feed. Empty until the feed is read after the change.",
    )
    delivery_ids = fields.One2many("webhook.delivery", "event_id", string="Deliveries")
    confirmation_ids = fields.One2many("webhook.confirmation", "event_id", string="Confirmations")

    _unprocessed_idx = models.Index("(record_id, id) WHERE is_processed IS NOT TRUE")

    def init(self):
        for statement in statements.PLANNED:
            statement.define(self.env.cr)

    @api.depends("model", "record_id", "event")
    def _compute_display_name(self):
        for event in self:
            event.display_name = f"{event.model},{event.record_id} {event.event}"

    def _compute_seq(self):
        positions = self.env["webhook.feed.position"].sudo().search([("event_id", "in", self.ids)])
        found = {position.event_id.id: position.id for position in positions}
        for event in self:
            event.seq = found.get(event.id, 0)

    def action_open_record(self):
        """Open the record that changed."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.record_id,
            "views": [(False, "form")],
        }

    def action_offer_again(self):
        """Offer failed events again to the consumers that have given them up."""
        if not self.env.user.has_group("auto_webhook_odoo.group_webhook_manager"):
            raise AccessError(self.env._("Only webhook managers may offer events again."))
        failed = self.filtered("failed_at")._locked()
        self.env["webhook.confirmation"].sudo()._offer(failed)

    @api.model
    def _insert_events(self, groups, stale_ids):
        """Write all events of a transaction with one statement, or two if some replace others.

        :param list groups: ``capture.events.EventGroup`` objects
        :param list stale_ids: rows written earlier in this transaction that the new ones replace
        :return: the ids of the new rows, in the order of the groups and of their events
        """
        if stale_ids:
            self.env.cr.execute(statements.DELETE_EVENTS, {"ids": stale_ids})
        self.invalidate_model()
        if not groups:
            return []
        common = ("model", "event", "changed_fields", "priority", "category", "config_id")
        parameters = {name: [getattr(group, name) for group in groups] for name in common}
        numbers = [number for number, group in enumerate(groups, 1) for _id in group.record_ids]
        self.env.cr.execute(
            statements.INSERT_EVENTS.call,
            {
                **parameters,
                "group": _int_array(numbers),
                "record_id": _int_array(i for group in groups for i in group.record_ids),
                "company_id": _int_array(i for group in groups for i in group.company_ids),
                "payload": "\n".join(text for group in groups for text in group.payloads),
                "old_values": "\n".join(text for group in groups for text in group.old_values),
                # The user who acts, not the user whose rights the code has taken with sudo.
                "user_id": self.env.cr.transaction.default_env.uid,
                "company_ids": _lines(groups, "shown_to"),
                "left_company_ids": _lines(groups, "lost_by"),
            },
        )
        return [event_id for (event_id,) in self.env.cr.fetchall()]

    @api.model
    def _wire_page(self, where, limit):
        """Return the events of a page of the feed, and whether the feed has more.

        The first query builds the short events only: so short that all of them together keep within
        ``PAGE_BYTES``. Most pages have no others. In place of a long event it returns the event's
        size, as digits. The sizes tell where the page ends, and a second query builds the long
        events of the page.

        :param SQL where: condition on the event ``e``, its ``position`` and ``reader.gone`` (see
            ``_gone``). Only events that the user may see meet it
        :return: ``([(position, event as JSON text), …], bool)``
        """
        limit = min(limit, PAGE_BYTES // EVENT_FRAME)
        size = SQL("CASE WHEN reader.gone THEN %s ELSE %s END", EVENT_FRAME, SQL(EVENT_SIZE))
        json_text = SQL(event_json("id", "reader.gone"))  # pylint: disable=sql-injection
        positioned = SQL(
            "%s JOIN webhook_feed_position position ON position.event_id = e.id"
            " CROSS JOIN LATERAL (SELECT %s AS gone) reader",
            SQL(EVENT_TABLES),  # pylint: disable=sql-injection
            self._gone("e"),
        )
        longest = PAGE_BYTES // (limit + 1)
        rows = self.env.execute_query(
            SQL(
                "SELECT position.id, CASE WHEN %s <= %s THEN %s ELSE %s::text END"
                " FROM %s WHERE %s ORDER BY position.id LIMIT %s",
                *(size, longest, json_text, size, positioned, where, limit + 1),
            )
        )
        page = rows[:limit]
        long = {position: int(text) for position, text in page if text[0] != "{"}
        if long:
            sizes = (long.get(position) or len(text.encode()) for position, text in page)
            sums = itertools.accumulate(sizes)
            page = page[: max(1, sum(together <= PAGE_BYTES for together in sums))]
            built = self.env.execute_query(
                SQL(
                    "SELECT position.id, %s FROM %s WHERE position.id = ANY(%s)",
                    *(json_text, positioned, [p for p, _text in page if p in long]),
                )
            )
            page = list((dict(page) | dict(built)).items())
        return page, len(rows) > len(page)

    @api.model
    def pull_events(self, last_event_id=0, limit=100, **filters):
        """Return the next page of the feed, as ``/api/webhooks/pull`` does.

        :param int last_event_id: cursor: ``last_id`` of the page before, 0 for the start
        :param int limit: how many events the page holds at most; it holds fewer if they are large
        :param filters: ``models``, ``events``, ``priority`` (lists), ``include_processed`` and
            ``latest``
        :return: the dictionary that docs/protocol.md describes
        """
        if type(last_event_id) is not int or type(limit) is not int or not 0 < limit < 2**31:
            raise ValidationError(
                self.env._("Cursor and limit must be whole numbers, the limit from 1.")
            )
        if any(isinstance(wanted, str) for wanted in filters.values()):
            raise ValidationError(self.env._("Filters of the feed must be lists."))
        page = self.env["webhook.feed.position"]._read_page(last_event_id, limit, **filters)
        return page.head | {"events": [json.loads(event) for event in page.events]}

    @api.model
    def _visible(self, table, user=None):
        """Return the SQL condition for events that a user may see.

        :param table: alias of ``update_webhook`` or ``webhook_tally``
        :param user: by default the current user; the superuser sees all
        """
        if user is None and self.env.su:
            return SQL("TRUE")
        user = (self.env.user if user is None else user).sudo()
        user = user.with_context(active_test=False)  # events of archived companies are pushed, too
        condition = visible(table, "%(companies)s::int[]", "%(models)s::text[]")
        return SQL(condition, companies=user.company_ids.ids, models=user._webhook_models())

    @api.model
    def _gone(self, table, user=None):
        """Return the SQL condition for events of which a user may learn only that a record is gone.

        The parameters are those of ``_visible``, and the events are among those that it finds.
        """
        if user is None and self.env.su:
            return SQL("FALSE")
        user = (self.env.user if user is None else user).sudo().with_context(active_test=False)
        return SQL(gone(table, "%(companies)s::int[]"), companies=user.company_ids.ids)

    def _seen_by(self):
        """Return the companies that see one of these events, see ``capture.ownership.Audience``."""
        seen = set()
        for event in self:
            own = [event.company_id.id or ALL_COMPANIES]
            seen.update(own if event.company_ids is False else event.company_ids)
            seen.update(event.left_company_ids or ())
        return EVERYBODY if ALL_COMPANIES in seen else frozenset(seen)

    @api.model
    def _check_models(self, names):
        """Return which of these models do not exist, and refuse those that the user may not see.

        A client may name models of modules that are not installed here.

        :raises AccessError: if the user may not see the events of a model
        :raises ValidationError: if none of the models exists, because an empty page would mislead
        """
        names = dict.fromkeys(names or ())  # in their order, each once
        foreign = [name for name in names if name not in self.env]
        unknown = self.env["webhook.tally"]._unknown_models(foreign) if foreign else []
        allowed = self.env.user._webhook_models()
        for name in sorted(names.keys() - set(unknown)):
            if allowed is not None and name not in allowed:
                raise AccessError(self.env._("This user may not read the changes of %s.", name))
        if unknown and len(unknown) == len(names):
            raise ValidationError(self.env._("There is no model %s.", unknown[0]))
        return unknown

    @api.model
    def _mark_processed(self, confirmed, failed):
        """Confirm events for the current user, and store why it has given up on others.

        Both may be repeated. To be called at the beginning of a READ COMMITTED transaction.

        :param confirmed: ``EventName`` of the events whose handlers succeeded
        :param dict failed: ``{EventName: error}``
        :return: ``(number of events that are confirmed now, sorted ids of unknown events)``
        """
        consumers = self.env["webhook.consumer"]
        # Also members whose process died right after they had joined the group.
        consumers._add_members(self.env.user)
        consumers._admit_nobody()
        named = {*confirmed, *failed}
        possible = [name.id for name in named if name.id < 2**63]  # ids are int8
        # All rows are locked in the order of their ids. Otherwise two calls could deadlock.
        self.env.cr.execute(
            SQL(
                "SELECT id, timestamp FROM update_webhook WHERE id = ANY(%s) AND %s"
                " ORDER BY id FOR NO KEY UPDATE",
                possible,
                self._visible("update_webhook"),
            )
        )
        times = dict(self.env.cr.fetchall())
        known = {name for name in named if name.fits(times.get(name.id))}
        consumer = consumers._of_user(self.env.user)
        done = sorted({name.id for name in known.intersection(confirmed)})
        errors = {name.id: failed[name] for name in known.intersection(failed)}
        self.env["webhook.confirmation"].sudo()._confirm(consumer, done, errors)
        consumer._note_confirmation()
        self.invalidate_model()
        return len(done), sorted({name.id for name in named - known})

    def _locked(self):
        """Lock these events, and return their ids. Nobody becomes a consumer meanwhile."""
        if not self:
            return []
        self.env["webhook.consumer"]._admit_nobody()
        self.env.cr.execute(
            SQL(
                "SELECT id FROM update_webhook WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
                self.ids,
            )
        )
        return [event_id for (event_id,) in self.env.cr.fetchall()]


def _int_array(values):
    """Return integers as the text of a PostgreSQL array.

    psycopg2 passes a text on faster than a list.
    """
    return "{%s}" % ",".join("NULL" if value is None else str(value) for value in values)  # noqa: UP031


def _lines(groups, name):
    """Return sets of ids as lines with arrays of PostgreSQL, or None if there are none."""
    sets = [ids for group in groups for ids in getattr(group, name)]
    if not any(ids is not None for ids in sets):
        return None
    return "\n".join("" if ids is None else _int_array(sorted(ids)) for ids in sets)
