"""Notes the changes of one database transaction, and writes their events.

A *pre-image* holds the values of a record when the transaction began. It belongs to the transaction
and not to a savepoint: a rolled back savepoint does not change the past. Pre-images are therefore
kept in ``cr.postcommit.data``, which survives the rollback of a savepoint and ends with the
transaction (odoo/sql_db.py, ``commit`` and ``rollback``).

A *pre-commit* hook writes the events. It runs several times, because every savepoint runs it. Each
run compares the start of the transaction with the present, and replaces the event that an earlier
run wrote for the same record. So no events have to be merged. A savepoint that is rolled back
removes the event rows that were written within it.
"""

import collections
import itertools
import weakref

from odoo import SUPERUSER_ID, api
from odoo.tools import SQL, OrderedSet

from .columns import read_rows, select_by_ids
from .events import EventWriter, NetChange

_KEY = "auto_webhook_odoo.changes"


class TransactionChanges:
    """The records that one transaction has touched, and their values before.

    Holds plain data and not the cursor: Odoo's test classes make deep copies of
    ``cr.postcommit.data``.
    """

    def __init__(self):
        #: {model: {id: {field: raw value when the transaction began}}}; only fields that may change
        self._before = collections.defaultdict(dict)
        #: {model: ids of records that did not exist when the transaction began}
        self._created = collections.defaultdict(set)
        #: {model: {id: row of Tracking.query, read right before the deletion}}
        self._deleted = collections.defaultdict(dict)
        #: {(model, domain): ids of the records that matched the domain when they were first
        #: touched}
        self._matched = collections.defaultdict(set)
        #: {model: ids touched since the last run of the hook}
        self._touched = collections.defaultdict(OrderedSet)
        #: {(model, id): ids of the event rows written so far}. The rollback of a savepoint may have
        #: removed the newest of them and brought an older one back.
        self._written = collections.defaultdict(list)

    @classmethod
    def of(cls, cr):
        """Return the changes of the transaction that the cursor is in."""
        if _KEY not in cr.postcommit.data:
            cr.postcommit.data[_KEY] = cls()
        return cr.postcommit.data[_KEY]

    def note_created(self, records):
        """Note new records. To be called after their INSERT.

        Computed fields may already have been flushed, for example by a constraint that searches,
        and ``note_changing`` may then have taken a new row for an old one. Noting the id here
        corrects that; ids are never used twice.
        """
        self._created[records._name].update(records._ids)
        self._note(records, records._ids)

    def note_changing(self, model, ids, names, tracking):
        """Note records whose fields are about to get new values, and read their pre-images.

        :param names: the fields; fields that are not compared are ignored
        """
        names = tracking.compared_with(names)
        if not names:
            return
        created, before = self._created[model._name], self._before[model._name]
        unread = [
            record_id
            for record_id in ids
            if record_id not in created and not names <= before.get(record_id, {}).keys()
        ]
        if unread:
            names = sorted(names)
            self._note_matching(model, [i for i in unread if i not in before], tracking)
            for record_id, values in read_rows(
                model.env.cr, select_by_ids(model, names), unread
            ).items():
                # the values that are known already are older than those in the database now
                known = before.get(record_id, {})
                before[record_id] = {**dict(zip(names, values, strict=True)), **known}
        self._note(model, ids)

    def note_deleting(self, model, ids, tracking):
        """Note records that the ORM or the database is about to delete, and read their rows."""
        created, before = self._created[model._name], self._before[model._name]
        old = [record_id for record_id in ids if record_id not in created]
        self._note_matching(model, [i for i in old if i not in before], tracking)
        self._deleted[model._name].update(read_rows(model.env.cr, tracking.query, old))
        self._note(model, ids)

    def unlinked_before(self, model, field_name, ids, other_id):
        """Remove ``other_id`` from pre-images of links that were read after it had been added."""
        for record_id in ids:
            before = self._before[model._name].get(record_id)
            if before and field_name in before:
                before[field_name] = [i for i in before[field_name] if i != other_id]

    def _note(self, model, ids):
        self._touched[model._name].update(ids)
        cr = model.env.cr
        if _KEY not in cr.precommit.data:
            cr.precommit.data[_KEY] = True
            cr.precommit.add(lambda: self.of(cr)._write_events(cr))
            _guard_savepoints(cr)

    def _note_matching(self, model, ids, tracking):
        for domain in tracking.domains:
            self._matched[model._name, domain].update(_matching(model, ids, domain))

    def _write_events(self, cr):
        """Write the events of all records touched since the last run (the pre-commit hook)."""
        cr.precommit.data.pop(_KEY, None)
        touched, self._touched = self._touched, collections.defaultdict(OrderedSet)
        env = api.Environment(cr, SUPERUSER_ID, {"active_test": False})
        writer = EventWriter(env)
        for model_name, ids in touched.items():
            if tracking := env["webhook.config"]._tracking(model_name):
                changes = self._net_changes(env[model_name], ids, tracking)
                writer.add(env[model_name], tracking, changes)
        keys = [(model_name, record_id) for model_name, ids in touched.items() for record_id in ids]
        stale = itertools.chain.from_iterable(self._written.get(key, ()) for key in keys)
        written, instant = writer.flush(list(stale))
        for key, event_id in written.items():
            self._written[key].append(event_id)
        if instant:
            env["webhook.delivery"]._schedule(instant)

    def _net_changes(self, model, ids, tracking):
        """Return a ``NetChange`` for each record that has changed and whose change is recorded."""
        created, before = self._created[model._name], self._before[model._name]
        rows = read_rows(model.env.cr, tracking.query, ids)
        changes, relinked = [], []
        for record_id in ids:
            row, old = rows.get(record_id), {}
            if record_id in created:
                if row is None:
                    continue
                event = "create"
            elif row is None:
                event, row = "unlink", self._last_committed(model._name, record_id, tracking)
                if row is None:
                    continue  # another transaction had deleted it before
            else:
                event, old = "write", _differences(before.get(record_id, {}), row, tracking)
                if not old:
                    continue
                if any(isinstance(value, list) for value in old.values()):
                    relinked.append(record_id)
            changes.append(NetChange(event, record_id, row, old))
        _collide(model, relinked)
        return self._that_count(model, changes, tracking)

    def _last_committed(self, model_name, record_id, tracking):
        """Return the row of a deleted record as it was when the transaction began."""
        row = self._deleted[model_name].get(record_id)
        if row is None:
            return None
        row = list(row)
        for name, value in self._before[model_name].get(record_id, {}).items():
            if name in tracking.position:
                row[tracking.position[name]] = value
        return row

    def _that_count(self, model, changes, tracking):
        """Return the changes that the configuration asks for, and mark those that are instant."""
        after = [change.record_id for change in changes if change.event != "unlink"]
        matched = {
            domain: self._matched[model._name, domain] | _matching(model, after, domain)
            for domain in tracking.domains
        }
        counting = []
        for change in changes:
            met = {domain for domain, ids in matched.items() if change.record_id in ids}
            if tracking.counts(change.event, change.old, met):
                change.instant = tracking.is_instant(change.event, change.old, met)
                counting.append(change)
        return counting


def _guard_savepoints(cr):
    """Make the cursor write the events before a savepoint that does not flush.

    Without this, the hook could write the events of earlier changes within such a savepoint. If the
    savepoint was rolled back, these events would be lost, and nothing would run the hook again.
    """
    if "savepoint" in vars(cr):
        return
    cursor = weakref.ref(cr)

    def savepoint(flush=True):
        cr = cursor()
        if not flush:
            TransactionChanges.of(cr)._write_events(cr)
        return type(cr).savepoint(cr, flush=flush)

    cr.savepoint = savepoint


def _differences(before, row, tracking):
    """Return ``{field: old value}`` of the fields that differ from the pre-image."""
    position = tracking.position
    return {
        name: value
        for name, value in before.items()
        # the configuration may have changed since the pre-image was read
        if name in position and _differ(row[position[name]], value)
    }


def _differ(one, other):
    # NaN differs from itself; two NaN are no change
    return one != other and not (one != one and other != other)


def _matching(model, ids, domain):
    """Return the ids of the records that match a domain in the database as it is now.

    Does not flush, because this runs in the middle of a flush.
    """
    if not ids:
        return set()
    query = model.sudo().with_context(active_test=False)._search(list(domain))
    query.add_where(SQL("%s = ANY(%s)", SQL.identifier(query.table, "id"), list(ids)))
    model.env.cr.execute(query.select())
    return {record_id for (record_id,) in model.env.cr.fetchall()}


def _collide(model, ids):
    """Make two transactions collide that change links of the same record.

    Under REPEATABLE READ each sees only its own links. Links are rows of another table, so nothing
    conflicts by itself, and neither event would show the final values of the record. Updating the
    record's row makes the second transaction fail, and Odoo runs it again.
    """
    if ids:
        model.env.cr.execute(
            SQL(
                "UPDATE %(table)s SET id = id WHERE id IN (SELECT id FROM %(table)s"
                " WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE)",
                table=SQL.identifier(model._table),
                ids=list(ids),
            )
        )
