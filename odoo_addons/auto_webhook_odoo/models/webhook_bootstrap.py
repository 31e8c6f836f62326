import itertools

from odoo import SUPERUSER_ID, api, models
from odoo.tools import SQL

from ..capture.events import EventWriter
from ..capture.snapshots import snapshots
from ..rights.readable import Readable
from ..rights.redaction import redact
from ..wire.cursor import Cursor
from ..wire.event import unstored_event
from ..wire.jsontext import dumps
from ..wire.mark import Mark
from ..wire.visibility import shows
from .update_webhook import PAGE_BYTES
from .webhook_feed_position import FeedPage

_CHUNK = 1_000  # records whose visibility is looked up at once
_SCANNED = 10_000  # records that a page looks at; its reader may be allowed to read only a few


class WebhookBootstrap(models.AbstractModel):
    """The present records as events, page by page, so that a reader of the feed starts complete.

    No event is written. The reader gets the cursor with which it follows the feed afterwards. The
    cursor is taken before the first page is read. So a change is either in the page, or behind the
    cursor, or both: it is committed before the page takes its snapshot, or gets its position after
    the cursor was taken.
    """

    _name = "webhook.bootstrap"
    _description = "Records for a New Reader of the Webhook Feed"
    _webhook_recordable = False

    @api.model
    def _read_page(self, after=None, limit=100, models=None):
        """Return the ``FeedPage`` after a mark, with the records that the user may see.

        :param Mark after: of the page before; None for the start
        :raises AccessError: if the user may not read events, or not those of a model in ``models``
        :raises ValidationError: if none of the models in ``models`` exists
        """
        recorded = self.env["update.webhook"]
        recorded.check_access("read")
        unknown = recorded._check_models(models)
        ignored = {"unknown_models": unknown} if unknown else {}
        trackings = self._trackings(models)
        feed = self.env["webhook.feed.position"]
        feed._assign_pending()
        with self.env.registry.cursor() as cr:
            env = self.env(cr=cr)
            cursor = Cursor.decode(after.cursor if after else 0)
            end, has_expired = env["webhook.feed.break"]._compare(cursor)
            if after and has_expired:
                return FeedPage([], self._expired_head() | ignored)
            after = after or Mark(end.encode())
            events, following = env["webhook.bootstrap"]._page(trackings, after, limit)
        head = feed._head(Cursor.decode(after.cursor), len(events), following is not None)
        return FeedPage(events, head | {"after": following and following.encode()} | ignored)

    def _expired_head(self):
        return self.env["webhook.feed.position"]._head(Cursor(0), 0, True) | {
            "after": None,
            "cursor_expired": True,
            "message": "Since the first page, events were deleted that are newer than its cursor, "
            "or a backup was restored. Start again without 'after'.",
        }

    @api.model
    def _trackings(self, names):
        """Return the ``Tracking`` of the recorded models that the user may see, in their order.

        :param names: only these models; empty for all
        """
        allowed = self.env.user._webhook_models()
        recorded = self.env["webhook.config"]._recorded()
        return [
            recorded[name]
            for name in sorted(recorded)
            if (not names or name in names) and (allowed is None or name in allowed)
        ]

    def _page(self, trackings, after, limit):
        """Return the events of a page, and the mark behind it, or None if there is no more."""
        found, following = self._find(trackings, after, limit)
        events = self._render(found)
        sums = itertools.accumulate(len(text.encode()) for _model, _id, text in events)
        fitting = max(1, sum(together <= PAGE_BYTES for together in sums))
        if fitting < len(events):
            model_name, record_id, _text = events[fitting - 1]
            following = after._replace(model=model_name, record_id=record_id)
        texts = [text for _model, _id, text in events[:fitting]]
        if self.env.user._webhook_follows_rules():
            texts = redact(self.env.user, texts, tell_all=False)
        return texts, following

    def _find(self, trackings, after, limit):
        """Return the records of a page, and the mark behind it, or None if there is no more.

        :return: ``([(Tracking, ids)], Mark)``
        """
        found, room, scanned = [], limit, 0
        for tracking in trackings:
            if tracking.model < after.model:
                continue
            last_id = after.record_id if tracking.model == after.model else 0
            has_more = True
            while has_more:
                if not room or scanned >= _SCANNED:
                    return found, after._replace(model=tracking.model, record_id=last_id)
                ids, last_id, has_more = self._next(tracking, last_id, room)
                found.append((tracking, ids))
                room -= len(ids)
                scanned += _CHUNK * has_more  # small models cost little
        return found, None

    def _next(self, tracking, last_id, room):
        """Return the next records that the user may read, and how far the search has come.

        :return: ``(ids, the id that was looked at last, whether there may be more)``
        """
        size = max(_CHUNK, room + 1)
        ids = self._recorded_after(tracking, last_id, size)
        readable = ids
        if self.env.user._webhook_follows_rules():
            allowed = Readable(self.env.user).ids(tracking.model, ids)
            readable = [record_id for record_id in ids if record_id in allowed]
        if len(readable) > room:
            return readable[:room], readable[room - 1], True
        return readable, ids[-1] if ids else last_id, len(ids) == size

    def _recorded_after(self, tracking, last_id, size):
        """Return the ids of the next records that the configuration selects."""
        query = self._system()[tracking.model]._search(
            list(tracking.filter_domain), order="id", limit=size
        )
        query.add_where(SQL("%s > %s", SQL.identifier(query.table, "id"), last_id))
        return list(query.get_result_ids())

    def _render(self, found):
        """Return ``[(model, record id, JSON text)]`` of the records that the user's companies show.

        The texts are events that no confirmation can name.
        """
        env = self._system()
        writer = EventWriter(env)
        for tracking, ids in found:
            writer.add(env[tracking.model], tracking, snapshots(env.cr, tracking, ids))
        timestamp = dumps(env.cr.now().isoformat(timespec="microseconds") + "Z")
        companies = set(self.env.user.sudo().company_ids.ids)
        return [
            (
                group.model,
                record_id,
                unstored_event(
                    "id",
                    0,  # no event has it
                    model=dumps(group.model),
                    event=dumps(group.event),
                    priority=dumps(group.priority),
                    category=dumps(group.category),
                    timestamp=timestamp,
                    record_id=str(record_id),
                    company_id=company_id and str(company_id),
                    payload=payload,
                ),
            )
            for group in writer.render()
            for record_id, company_id, shown_to, payload in zip(
                group.record_ids, group.company_ids, group.shown_to, group.payloads, strict=True
            )
            if shows(companies, company_id, shown_to)
        ]

    def _system(self):
        """Return the environment in which records are read and rendered, as when they change."""
        return api.Environment(self.env.cr, SUPERUSER_ID, {"active_test": False})
