import collections
import json

from odoo import api, models
from odoo.tools import SQL, escape_psql, split_every

from ..capture.events import EventGroup
from ..capture.naming import Hit, with_erased_fields
from ..capture.ownership import is_told_by
from ..wire.jsontext import dumps

ERASED = dumps({"_metadata": {"erased": True}})

#: Events of other records that one search finds, so that it fits into a request. There may be more.
MOST_FOUND = 20_000

_BATCH = 500  # events whose values are in memory

# The texts are personal data. They are passed in a setting of the transaction, because PostgreSQL
# may log a statement that takes long or fails, with all its values.
_TEXTS = "auto_webhook_odoo.erased_texts"

# Looking for texts with LIKE takes half the time that one regular expression for all of them does.
# The pattern of a link is tried only if the id stands in some link.
_FIND = f"""
    WITH given AS MATERIALIZED (
        SELECT ARRAY(
            SELECT lower(form) FROM json_array_elements_text(current_setting('{_TEXTS}')::json) form
        ) AS forms
    )
    SELECT event.id
      FROM update_webhook event
      LEFT JOIN unnest(%(models)s::text[], %(links)s::text[], %(lists)s::text[])
             AS field(model, links, lists) ON field.model = event.model
     CROSS JOIN LATERAL (
            SELECT concat_ws(' ', event.payload, event.old_values) AS text OFFSET 0
           ) own
     WHERE (event.model, event.record_id) <> (%(model)s, %(record_id)s)
       AND (lower(own.text) LIKE ANY ((SELECT forms FROM given)::text[])
            OR lower(event.failure) LIKE ANY ((SELECT forms FROM given)::text[])
            OR (strpos(own.text, %(link)s) > 0 AND own.text ~ field.links)
            OR own.text ~ field.lists)
     UNION
    SELECT event.id
      FROM webhook_confirmation confirmation
      JOIN update_webhook event ON event.id = confirmation.event_id
     WHERE lower(confirmation.failure) LIKE ANY ((SELECT forms FROM given)::text[])
       AND (event.model, event.record_id) <> (%(model)s, %(record_id)s)
     UNION
    SELECT delivery.event_id
      FROM webhook_delivery delivery
     WHERE lower(delivery.last_error) LIKE ANY ((SELECT forms FROM given)::text[])
       AND (delivery.model, delivery.record_id) <> (%(model)s, %(record_id)s)
     UNION
    SELECT delivery.event_id
      FROM webhook_attempt attempt
      JOIN webhook_delivery delivery ON delivery.id = attempt.delivery_id
     WHERE (lower(attempt.error) LIKE ANY ((SELECT forms FROM given)::text[])
            OR lower(attempt.response) LIKE ANY ((SELECT forms FROM given)::text[]))
       AND (delivery.model, delivery.record_id) <> (%(model)s, %(record_id)s)
     ORDER BY 1 DESC
     LIMIT %(limit)s
"""  # noqa: S608  # a constant

#: What this module needs of an event.
_COLUMNS = ("id", "model", "record_id", "company_id", "priority", "category", "config_id")
Row = collections.namedtuple("Row", (*_COLUMNS, "payload", "old_values", "failures"))

_SELECT = f"""
    SELECT {", ".join(_COLUMNS)}, payload, old_values,
           concat_ws(' ', failure, (
               SELECT string_agg(failure, ' ') FROM webhook_confirmation WHERE event_id = event.id
           )) AS failures
      FROM update_webhook event
     WHERE id = ANY(%s)
     ORDER BY id
"""  # noqa: S608  # constants


class _Told:
    """The event that tells consumers of an erasure in the events of one record."""

    def __init__(self, row):
        self.row = row
        #: names of the fields that were blanked; None if all values were
        self.fields = None
        self.event_ids = []

    def add(self, row, fields=None):
        self.row = max(self.row, row, key=lambda row: row.id)
        self.event_ids.append(row.id)
        if fields is not None:
            self.fields = {*(self.fields or ()), *fields}

    @property
    def payload(self):
        return ERASED if self.fields is None else dumps(with_erased_fields({}, self.fields))


class UpdateWebhook(models.Model):
    """Erases personal data in events: all values of one record, and what names it in the others.

    An event that an endpoint or a reader of the feed already has is out of reach. So a new event
    tells them what to erase.
    """

    _inherit = "update.webhook"

    def action_erase(self):
        """Open the dialogue that erases the values in the events of this record."""
        self.ensure_one()
        wizard = self.env["webhook.erasure"].create(
            {"model_id": self.env["ir.model"]._get_id(self.model), "record_id": self.record_id}
        )
        return wizard.action_search()

    @api.model
    def _erased_mark(self):
        """Return the text that stands in the place of a text that was erased."""
        return self.env._("Erased, because it may have held personal data.")

    @api.model
    def _erase(self, model, record_id):
        """Erase the values in all events of a record, and the answers to them.

        :return: ``(number of events, the errors that were erased)``
        """
        self.flush_model()
        columns = SQL(", ").join(SQL.identifier("event", name) for name in _COLUMNS)
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE update_webhook event
                   SET payload = %(erased)s, old_values = NULL,
                       failure = CASE WHEN failure IS NOT NULL THEN %(mark)s END
                 WHERE model = %(model)s AND record_id = %(record_id)s
                RETURNING %(columns)s, NULL, NULL, NULL
                """,
                erased=ERASED,
                mark=self._erased_mark(),
                model=model,
                record_id=record_id,
                columns=columns,
            )
        )
        self.invalidate_model()
        if not rows:
            return 0, set()
        told = _Told(Row(*rows[0]))
        for row in rows:
            told.add(Row(*row))
        self._erase_failures(told.event_ids)
        errors = self.env["webhook.delivery"]._erase_answers(told.event_ids)
        self._tell([told])
        return len(rows), errors

    @api.model
    def _find_naming(self, naming, listed=False):
        """Return the ids of events of other records that seem to name a record, newest first.

        These are ``MOST_FOUND`` at most. It reads all events, a million in about twelve seconds.

        :param naming: ``capture.naming.Naming``
        :param bool listed: also those that hold only its id, in a list
        """
        self.env.flush_all()
        patterns = {name: naming.patterns(name, listed) for name in self.env.registry}
        patterns = [(name, *both) for name, both in patterns.items() if any(both)]
        models, links, lists = map(list, zip(*patterns, strict=True)) if patterns else ([], [], [])
        forms = [f"%{escape_psql(form)}%" for form in naming.forms]
        self.env.cr.execute("SELECT set_config(%s, %s, true)", [_TEXTS, json.dumps(forms)])
        self.env.cr.execute(
            _FIND,
            {
                "models": models,
                "links": links,
                "lists": lists,
                "link": naming.link,
                "model": naming.model,
                "record_id": naming.record_id,
                "limit": MOST_FOUND,
            },
        )
        return [event_id for (event_id,) in self.env.cr.fetchall()]

    @api.model
    def _examine(self, event_ids, naming):
        """Yield ``(Row, its values without what names the record, list of Hit)`` for some events.

        :param naming: ``capture.naming.Naming``
        """
        for batch in split_every(_BATCH, event_ids, list):
            _deliveries, _attempts, answers = self.env["webhook.delivery"]._quoting(batch, naming)
            self.env.cr.execute(_SELECT, [batch])
            for row in map(Row._make, self.env.cr.fetchall()):
                payload, hits = naming.blank(row.model, _values(row.payload))
                old_values, old_hits = naming.blank(row.model, _values(row.old_values))
                hits += old_hits
                if text := naming.text_in_answers(row.failures):
                    hits.append(Hit("failure", text=text))
                if row.id in answers:
                    hits.append(Hit("answer", text=answers[row.id]))
                if hits:
                    yield row, (payload, old_values), hits

    @api.model
    def _erase_names(self, event_ids, naming):
        """Blank what names a record in events of other records, and in the answers to them.

        :param naming: ``capture.naming.Naming``
        :return: ``(number of events, the errors that were erased)``
        """
        number, errors, told = 0, set(), {}
        for batch in split_every(_BATCH, event_ids, list):
            changed = []
            for row, (payload, old_values), hits in self._examine(batch, naming):
                number += any(hit.kind != "listed" for hit in hits)
                names = {hit.field for hit in hits if hit.kind in ("link", "text")}
                failed = any(hit.kind == "failure" for hit in hits)
                if names or failed:
                    record = told.setdefault((row.model, row.record_id), _Told(row))
                    record.add(row, names)
                    payload = dumps(with_erased_fields(payload, names)) if names else row.payload
                    old_values = dumps(old_values) if old_values else None
                    changed.append((row.id, payload, old_values, failed))
            self._replace(changed)
            deliveries, attempts, _found = self.env["webhook.delivery"]._quoting(batch, naming)
            errors |= self.env["webhook.delivery"]._erase_texts(deliveries, attempts)
        self._tell(told.values())
        return number, errors

    def _replace(self, changed):
        """Store other values in events.

        :param list changed: ``(id, payload, old values, whether the failure is erased)``
        """
        if not changed:
            return
        ids, payloads, old_values, failed = map(list, zip(*changed, strict=True))
        self.env.cr.execute(
            """
            UPDATE update_webhook event
               SET payload = new.payload, old_values = new.old_values,
                   failure = CASE WHEN new.failed AND failure IS NOT NULL THEN %s ELSE failure END
              FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bool[])
                   AS new(id, payload, old_values, failed)
             WHERE event.id = new.id
            """,
            [self._erased_mark(), ids, payloads, old_values, failed],
        )
        self.invalidate_model()
        self._erase_failures([event_id for event_id, *_values, failed in changed if failed])

    def _erase_failures(self, event_ids):
        """Erase why consumers gave up on events; an event itself holds the last reason only."""
        self.env["webhook.confirmation"].search(
            [("event_id", "in", event_ids), ("failure", "!=", False)]
        ).write({"failure": self._erased_mark()})

    @api.model
    def _tell(self, told):
        """Record the events that tell consumers what was erased, and push them.

        All who have seen one of the erased events of a record see the event that tells them.

        :param told: ``_Told`` objects
        """
        for batch in split_every(_BATCH, told, list):
            alike = collections.defaultdict(list)
            for one in batch:
                row, seen = one.row, self.browse(one.event_ids)._seen_by()
                last = self.browse(row.id)
                # The company of a record that has left is nobody else's business.
                stays = not last.left_company_ids and last._seen_by() == seen
                company_id = row.company_id if stays else None
                shown_to = None if is_told_by(company_id, seen) else seen
                key = (row.model, row.priority, row.category, row.config_id)
                alike[key].append((one, company_id, shown_to))
            groups = [
                EventGroup(
                    model=model,
                    event="write",
                    changed_fields=None,
                    priority=priority,
                    category=category,
                    config_id=config_id,
                    record_ids=[one.row.record_id for one, _company_id, _seen in members],
                    company_ids=[company_id for _one, company_id, _seen in members],
                    payloads=[one.payload for one, _company_id, _seen in members],
                    old_values=[""] * len(members),
                    shown_to=[seen for _one, _company_id, seen in members],
                    lost_by=[None] * len(members),
                )
                for (model, priority, category, config_id), members in alike.items()
            ]
            ids = self._insert_events(groups, [])
            members = (one for group in alike.values() for one, _company_id, _seen in group)
            self._push_told(list(zip(ids, members, strict=True)))

    def _push_told(self, told):
        """Push events to the subscribers that get the changes of their record, or got some of them.

        :param list told: ``(event id, _Told)``
        """
        event_ids = [event_id for _id, one in told for event_id in one.event_ids]
        self.env.cr.execute(
            "SELECT model, record_id, array_agg(DISTINCT subscriber_id) FROM webhook_delivery"
            " WHERE event_id = ANY(%s) GROUP BY 1, 2",
            [event_ids],
        )
        have_got = {(model, record_id): ids for model, record_id, ids in self.env.cr.fetchall()}
        pushed = []
        for event_id, one in told:
            subscriber_ids = {*have_got.get((one.row.model, one.row.record_id), ())}
            tracking = self.env["webhook.config"]._tracking(one.row.model)
            if tracking and tracking.instant_send and tracking.priority == "high":
                # no ids mean all subscribers
                subscriber_ids = tracking.subscriber_ids and {
                    *subscriber_ids,
                    *tracking.subscriber_ids,
                }
            elif not subscriber_ids:
                continue
            pushed.append((event_id, sorted(subscriber_ids)))
        if pushed:
            self.env["webhook.delivery"]._schedule(pushed)


def _values(text):
    """Return the values in a column with JSON text."""
    return json.loads(text) if text else {}
