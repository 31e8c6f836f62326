"""The changes of one database transaction, and their events.

Pre-images belong to the transaction, not to a savepoint: whatever happens in between, what a
record was when the transaction began stays what it was. They are therefore kept in
``cr.postcommit.data``, which survives the rollback of a savepoint and ends with the transaction
(sql_db.py, ``commit`` and ``rollback``). The hook that writes the events is a *pre-commit* hook
and runs several times, because every savepoint runs it. Each run compares the start of the
transaction with now and replaces the event that an earlier run wrote for the same record, so
nothing has to be merged. A savepoint that is rolled back takes its event rows along.
"""

import collections
import dataclasses

from odoo import SUPERUSER_ID, api
from odoo.tools import OrderedSet

from ..delivery.sender import wake_sender
from ..wire.values import dump_payload, dumps
from . import images
from .tracking import LOG_FIELDS

_KEY = "auto_webhook_odoo.changes"


@dataclasses.dataclass
class Event:
    """A row of ``update.webhook`` that is about to be written."""

    model: str
    record_id: int
    event: str
    payload: str
    changed_fields: str | None
    old_values: str | None
    priority: str
    category: str
    company_id: int | None
    config_id: int | None
    #: endpoints to push to right after the commit; None: the event waits to be pulled
    subscriber_ids: tuple | None


class TransactionChanges:
    """What has been touched in one transaction, and what it was before.

    Plain data without the cursor: Odoo's test classes make deep copies of ``cr.postcommit.data``.
    """

    def __init__(self):
        #: {model: {id: image when the transaction began, None if it did not exist}}
        self._before = collections.defaultdict(dict)
        #: {model: ids touched since the hook last ran}
        self._touched = collections.defaultdict(OrderedSet)
        #: {(model, id): ids of the event rows written so far}; a savepoint that was rolled back
        #: may have removed the newest of them and brought an older one back
        self._written = collections.defaultdict(list)

    @classmethod
    def of(cls, cr):
        """Return the changes of the transaction that the cursor is in."""
        if _KEY not in cr.postcommit.data:
            cr.postcommit.data[_KEY] = cls()
        return cr.postcommit.data[_KEY]

    def note_created(self, records):
        """Call after the INSERT.

        Computed fields may have been flushed in between (a constraint that searches does that)
        and the new row taken for an old one; ids are never used twice, so it is none.
        """
        self._before[records._name].update(dict.fromkeys(records.ids))
        self._note(records)

    def note_changing(self, records, tracking):
        """Call before columns or many2many links are updated, and before rows are deleted."""
        before = self._before[records._name]
        unknown = [record_id for record_id in records.ids if record_id not in before]
        if unknown:
            model = records.sudo()
            found = images.read_images(model, unknown, tracking.images_of(model))
            before.update(found)
        self._note(records)

    def _note(self, records):
        self._touched[records._name].update(records.ids)
        cr = records.env.cr
        if _KEY not in cr.precommit.data:
            cr.precommit.data[_KEY] = True
            cr.precommit.add(lambda: self.of(cr)._write_events(cr))

    def _write_events(self, cr):
        """Pre-commit hook: write the events of everything touched since the last run."""
        cr.precommit.data.pop(_KEY, None)
        touched, self._touched = self._touched, collections.defaultdict(OrderedSet)
        env = api.Environment(cr, SUPERUSER_ID, {"active_test": False})
        events, stale = [], []
        for model_name, ids in touched.items():
            if tracking := env["webhook.config"]._tracking(model_name):
                events += self._events(env[model_name], ids, tracking)
            for record_id in ids:
                stale += self._written.get((model_name, record_id), ())
        if not events and not stale:
            return
        written = env["update.webhook"]._insert_events(
            events, stale, user_id=cr.transaction.default_env.uid
        )
        instant = []
        for event, event_id in zip(events, written, strict=True):
            self._written[event.model, event.record_id].append(event_id)
            if event.subscriber_ids is not None:
                instant.append((event_id, event.subscriber_ids))
        if instant and env["webhook.delivery"]._schedule(instant):
            wake_sender(cr)

    def _events(self, model, ids, tracking):
        """Return the net change of each record of one model, as events."""
        now = images.read_images(model, ids, tracking.images_of(model))
        changes = []
        for record_id in ids:
            before, after = self._before[model._name].get(record_id), now.get(record_id)
            if (change := _net_change(before, after)) and _counts(change, tracking):
                changes.append((record_id, *change))
        company_ids = [images.company_of(model, image) for _id, _event, image, _old in changes]
        payload_names = tracking.payload_of(model)
        payloads = images.render(
            model,
            [
                {name: image[name] for name in payload_names if name in image}
                for _id, _event, image, _old in changes
            ],
            company_ids,
        )
        old_values = images.render(
            model, [old for _id, _event, _image, old in changes], company_ids
        )
        return [
            Event(
                model=model._name,
                record_id=record_id,
                event=event,
                payload=dump_payload(payload)[0],
                changed_fields=dumps(sorted(old)) if event == "write" else None,
                old_values=(
                    dump_payload(old_rendered)[0]
                    if event == "write" and tracking.include_old_values
                    else None
                ),
                priority=tracking.priority,
                category=tracking.category,
                company_id=company_id,
                config_id=tracking.config_id,
                subscriber_ids=(
                    tracking.subscriber_ids if tracking.is_instant(event, old) else None
                ),
            )
            for (record_id, event, _image, old), company_id, payload, old_rendered in zip(
                changes, company_ids, payloads, old_values, strict=True
            )
        ]


def _net_change(before, after):
    """Compare two images of a record (None: it does not exist).

    :return: ``(event, image to send, {changed field: old value})``, or None if nothing changed
    """
    if before is None:
        return ("create", after, {}) if after is not None else None
    if after is None:
        return "unlink", before, {}
    old = {
        name: value
        for name, value in before.items()
        # a field may be missing after: the configuration can change in the same transaction
        if name in after and value != after[name] and name not in LOG_FIELDS
    }
    return ("write", after, old) if old else None


def _counts(change, tracking):
    event, _image, old = change
    if event not in tracking.events:
        return False
    if event == "write" and tracking.trigger_fields:
        return not tracking.trigger_fields.isdisjoint(old)
    return True
