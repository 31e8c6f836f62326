"""Renders an event for a record that has not changed, within the rights of a user.

A sample is rendered by the code that renders real events. So it has the form that the configuration
asks for. A real event is rendered without regard to any user. A sample leaves out what its user may
not read in Odoo.
"""

import dataclasses

from odoo import SUPERUSER_ID, api

from .columns import read_rows, select_by_ids
from .companies import main_company
from .events import EventWriter, NetChange


def render_sample(record, tracking, event):
    """Return ``(EventGroup, names of the fields that were left out)``; write nothing.

    :param record: one record, with the rights of the user for whom the sample is
    :param event: create, write or unlink; a write changes the fields that must change for an event
        to be recorded, from their present values to the same values
    """
    fields = [name for name in tracking.read if name in record._fields]
    hidden = {name for name in fields if not _may_read(record, name)}
    narrowed = _without(record, tracking, hidden)
    record.flush_model()
    row = read_rows(record.env.cr, narrowed.query, record.ids)[record.id]
    row = [_visible(record, *pair) for pair in zip(narrowed.read, row, strict=True)]
    names = _changed_fields(record, narrowed) if event == "write" else ()
    old = {name: row[narrowed.position[name]] for name in names}
    env = api.Environment(record.env.cr, SUPERUSER_ID, {"active_test": False})
    writer = EventWriter(env)
    writer.add(env[record._name], narrowed, [NetChange(event, record.id, row, old)])
    (group,) = writer.render()
    return group, sorted(hidden.intersection(tracking.payload))


def _may_read(record, name):
    """Return whether the user may read this field of the record, as its event shows it.

    The name of a record that a many2one field points at needs no right of its own in Odoo.
    """
    field = record._fields[name]
    if not record._has_field_access(field, "read"):
        return False
    if not field.company_dependent:
        return True
    company = record._fields.get("company_id")
    has_owner = company is not None and company.comodel_name == "res.company"
    owner = (has_owner and record.sudo().company_id) or main_company(record.env)
    return owner in record.env.user.company_ids


def _without(record, tracking, hidden):
    """Return a ``Tracking`` that reads none of the hidden fields, except for the companies."""
    companies = tracking.owned_by | {"company_id"}
    read = [name for name in tracking.read if name in companies or name not in hidden]
    return dataclasses.replace(
        tracking,
        payload=tuple(name for name in tracking.payload if name not in hidden),
        compared=tracking.compared - hidden,
        told=tracking.told - hidden,
        trigger_fields=tracking.trigger_fields - hidden,
        read=tuple(read),
        query=select_by_ids(record, read),
    )


def _visible(record, name, value):
    """Return a raw value without the links to records that the user may not read, as in Odoo."""
    field = record._fields.get(name)
    if field is None or field.type not in ("one2many", "many2many"):
        return value
    return record.env[field.comodel_name].browse(value)._filtered_access("read").ids


def _changed_fields(record, tracking):
    """Return the fields that a sample of a write names as changed."""
    possible = sorted(tracking.compared.intersection(tracking.payload))
    if tracking.trigger_fields:
        return sorted(tracking.trigger_fields)
    return [record._rec_name] if record._rec_name in possible else possible[:1]
