from odoo import api, models, tools

from ..capture.changes import TransactionChanges
from ..capture.effects import commanded_ids, linked, owned, pointed_at, pointing_at
from ..capture.names import name_query


class Base(models.AbstractModel):
    """Notices what the ORM does to recorded records, always before the ORM does it.

    The methods here are the innermost ones that all changes pass through (odoo/orm/models.py):
    ``_create`` is the only INSERT, ``_write_multi`` the only UPDATE of columns (recomputed fields
    included), ``unlink`` the only DELETE. Links of many2many fields are no columns. ``write``,
    ``_create`` and ``_compute_field_value`` write them.

    For all models that are not recorded and do not affect a recorded one, the price is one cached
    look-up, ``_webhook_capture``.
    """

    _inherit = "base"

    #: False for the models of this addon: recording them would record the recording itself.
    _webhook_recordable = True
    #: The stored field that names a record in the events of other records; None: ``_rec_name``.
    _webhook_name_field = None

    @api.model
    def _create(self, data_list):
        tracking, effects = self._webhook_capture()
        if effects:
            for data in data_list:
                self._webhook_note_links(effects, [], data["stored"])
                self._webhook_note_parents(effects, [], [data["stored"]])
        records = super()._create(data_list)
        if tracking:
            TransactionChanges.of(self.env.cr).note_created(records)
        return records

    def write(self, vals):
        tracking, effects = self._webhook_capture()
        if tracking or effects:
            ids = list(filter(None, self._ids))
            if tracking:
                links = [name for name in vals if self._webhook_is_links(name)]
                TransactionChanges.of(self.env.cr).note_changing(self, ids, links, tracking)
            if effects:
                self._webhook_note_links(effects, ids, vals)
                self._webhook_note_owned(effects, ids, filter(self._webhook_is_links, vals))
        return super().write(vals)

    def _write_multi(self, vals_list):
        tracking, effects = self._webhook_capture()
        if tracking:
            names = {name for vals in vals_list for name in vals}
            TransactionChanges.of(self.env.cr).note_changing(self, self._ids, names, tracking)
        if effects and effects.rows:
            self._webhook_note_parents(effects, self._ids, vals_list)
        if effects and effects.owned:
            self._webhook_note_owned(effects, self._ids, {n for vals in vals_list for n in vals})
        return super()._write_multi(vals_list)

    def _compute_field_value(self, field):
        tracking, effects = self._webhook_capture()
        if not (tracking or effects):
            return super()._compute_field_value(field)
        # One method may compute several fields. Odoo calls it for the first of them.
        names = [
            computed.name
            for computed in self.pool.field_computed.get(field, (field,))
            if computed.type == "many2many" and computed.store
        ]
        ids = list(filter(None, self._ids)) if names else []
        if tracking and ids:
            TransactionChanges.of(self.env.cr).note_changing(self, ids, names, tracking)
        links = [effects.links[name] for name in names if name in effects.links] if effects else []
        links = [found for found in links if found.other != found.own]
        if links and ids:
            return self._webhook_compute_links(links, ids, super()._compute_field_value, field)
        return super()._compute_field_value(field)

    def _update_field_translations(self, field_name, *args, **kwargs):
        # Odoo writes translations with SQL.
        if tracking := self._webhook_capture()[0]:
            changes = TransactionChanges.of(self.env.cr)
            changes.note_changing(self, self._ids, [field_name], tracking)
        return super()._update_field_translations(field_name, *args, **kwargs)

    def unlink(self):
        tracking, effects = self._webhook_capture()
        if (tracking or effects) and self:
            self._webhook_note_deleting(self._name, self.ids, {})
        return super().unlink()

    def _webhook_capture(self):
        """Return ``(Tracking, Effects)`` of this model; each may be None."""
        if self._abstract or self._transient or not self._webhook_recordable:
            return None, None
        return self.env["webhook.config"]._capture(self._name)

    @api.model
    @tools.ormcache("lang")
    def _webhook_name_query(self, lang):
        """Return the cached result of ``capture.names.name_query``."""
        return name_query(self, lang)

    def _webhook_is_links(self, name):
        """Return whether a field is a stored many2many field."""
        field = self._fields.get(name)
        return field is not None and field.type == "many2many" and field.store

    def _webhook_note(self, model_name, ids, names):
        """Note records of another model whose fields are about to change."""
        config = self.env["webhook.config"]
        if ids and (tracking := config._tracking(model_name)):
            model = self.env[model_name].sudo()
            TransactionChanges.of(self.env.cr).note_changing(model, ids, names, tracking)

    def _webhook_note_links(self, effects, ids, vals):
        """Note the records that are linked to these ones now, or will be after the change."""
        for name in effects.links.keys() & vals.keys():
            links = effects.links[name]
            if links.other == links.own:  # another field of the recorded model, on the same table
                self._webhook_note(links.model, ids, [links.field])
                continue
            affected = commanded_ids(vals[name]).union(linked(self.env.cr, links, ids))
            self._webhook_note(links.model, affected, [links.field])

    def _webhook_compute_links(self, links, ids, compute, field):
        """Compute many2many fields. Which records they link is known only afterwards."""
        cr, changes = self.env.cr, TransactionChanges.of(self.env.cr)
        before = {(found, i): set(linked(cr, found, [i])) for found in links for i in ids}
        for (found, _id), affected in before.items():
            self._webhook_note(found.model, affected, [found.field])
        compute(field)
        for (found, record_id), known in before.items():
            added = set(linked(cr, found, [record_id])) - known
            self._webhook_note(found.model, added, [found.field])
            changes.unlinked_before(self.env[found.model], found.field, added, record_id)

    def _webhook_note_parents(self, effects, ids, vals_list):
        """Note the recorded records whose lines or links these rows are now, or will be."""
        for column, parents in effects.rows.items():
            if not any(column in vals for vals in vals_list):
                continue
            affected = {vals[column] for vals in vals_list if vals.get(column)}
            if ids:
                affected.update(pointed_at(self, column, ids))
            for model_name, field_name in parents:
                self._webhook_note(model_name, affected, [field_name])

    def _webhook_note_owned(self, effects, ids, names):
        """Note the recorded records that may belong to other companies when these fields change."""
        for found in {found for name in names for found in effects.owned.get(name, ())}:
            affected = owned(self.env[found.model], found.path, ids)
            self._webhook_note(found.model, affected, [found.owner])

    def _webhook_note_deleting(self, model_name, ids, seen):
        """Note records that are about to be deleted, and all that the database does because of it.

        :param dict seen: ``{model: ids}`` noted already, because references may form a circle
        """
        known = seen.setdefault(model_name, set())
        ids = [record_id for record_id in ids if record_id not in known]
        if not ids:
            return
        known.update(ids)
        model = self.env[model_name].sudo()
        tracking, effects = model._webhook_capture()
        if tracking:
            TransactionChanges.of(self.env.cr).note_deleting(model, ids, tracking)
        if not effects:
            return
        for column, parents in effects.rows.items():
            affected = pointed_at(model, column, ids)
            for parent, field_name in parents:
                self._webhook_note(parent, affected, [field_name])
        for links in effects.lost_links:
            self._webhook_note(links.model, linked(self.env.cr, links, ids), [links.field])
        for reference in effects.references:
            # References that have just begun to point here may not be in the database yet.
            self.env[reference.model].flush_model([reference.field])
            affected = pointing_at(self.env[reference.model], reference, ids)
            if reference.ondelete == "cascade":
                self._webhook_note_deleting(reference.model, affected, seen)
            else:
                self._webhook_note(reference.model, affected, [reference.field])


class ResPartner(models.Model):
    _inherit = "res.partner"

    _webhook_name_field = "complete_name"
